"""Shared by the verbs that voice a video: options, checks before the work, the work, and messages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from lip2speech.cli.commands.watermark import add_watermark_argument
from lip2speech.cli.consent import add_consent_argument
from lip2speech.cli.references import references_of, resolve_reference
from lip2speech.inference.prosody import add_prosody_arguments, prosody_of
from lip2speech.inference.reference import OWN, Reference
from lip2speech.inference.sound_gap import parse_gap
from lip2speech.inference.synthesis_options import check_noisy
from lip2speech.models.emotion_options import parse_emotion
from lip2speech.models.flow_options import add_flow_arguments, flow_options
from lip2speech.models.token_options import add_token_arguments, token_options
from vsr.cli.options import check_present
from vsr.core.machine import add_device_argument


def add_voice_arguments(parser: argparse.ArgumentParser, voice) -> None:
    """Declare the options of reference, prosody, model and flow; ``voice``: the group of all but the flow."""
    voice.add_argument(
        "--reference", action="append", default=[], metavar="[N=]WHO",
        help="a recording; own: the video's sound; anonymous[:SEED]; face: made from the looks; NAME: a saved voice; "
        "with N=, for face N (default: the model's own)",
    )  # fmt: skip
    voice.add_argument(
        "--fill", metavar="START-END", help="synthesise only these seconds of the sound, to fit the rest"
    )
    add_prosody_arguments(voice)
    voice.add_argument(
        "--emotion", metavar="NAME[:A[,B]]", help="strength A towards it (1), B away from the others (0)"
    )
    add_watermark_argument(voice)
    add_token_arguments(voice)
    add_consent_argument(voice)
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    add_device_argument(voice)
    add_flow_arguments(parser)


def check_arguments(args: argparse.Namespace, references: dict[int | None, Reference], *inputs: str):
    """Check files and options before the work; returns the plan for muxing, None for a .wav.

    ``inputs``: further input files. Raises VsrError.
    """
    from lip2speech.inference.synthetic_marks import VOICE, WORDS
    from vsr.core.errors import VsrError
    from vsr.core.files import check_outputs
    from vsr.media.mux.mux import check_container

    check_present([args.video])
    recordings = [reference.file for reference in references.values() if reference.file]
    check_outputs(((args.out, VOICE), (args.words, WORDS)), args.video, *recordings, *inputs)
    if not Path(args.out).suffix:
        raise VsrError("bad_options", f"{args.out}: the suffix says what to write, such as .mp4 or .wav")
    flow_options(args)
    prosody_of(args)
    _check_voice(args)
    return None if Path(args.out).suffix.lower() == ".wav" else check_container(args.video, args.out)


def _check_voice(args: argparse.Namespace) -> None:
    """Refuse a voice without what the options need: emotions, or conditions for recorded sound. Raises VsrError."""
    from vsr.core.errors import VsrError

    if emotion := parse_emotion(args.emotion):
        if args.tokens:
            raise VsrError("bad_options", "--emotion works only with the flow, not with --tokens")
        from lip2speech.inference.folder import ACOUSTIC, check_emotion, find_model

        check_emotion(find_model(args.model) / ACOUSTIC, emotion.name)
    token_options(args)
    check_noisy(args.noisy)
    if args.fill:
        check_gap(args)
    if (args.noisy or args.fill) and not args.tokens:
        from lip2speech.inference.folder import ACOUSTIC, check_sound_condition, find_model

        check_sound_condition(find_model(args.model) / ACOUSTIC, bool(args.fill))


def check_gap(args: argparse.Namespace) -> None:
    """Refuse an invalid gap, and --noisy together with a gap. Raises VsrError."""
    from vsr.core.errors import VsrError

    parse_gap(args.fill)
    if args.noisy:
        raise VsrError(
            "bad_options", "--fill keeps the sound around the gap, --noisy resynthesises all of it: give one of them"
        )


def voice_video(args: argparse.Namespace, plan, text_for: Callable, write_words: Callable) -> int:
    """Speak and write, for every verb that voices a video.

    Args:
        args: of `add_voice_arguments`, with ``video``, ``out``, ``words`` and ``faces``.
        plan: of `check_arguments`.
        text_for: (voice, options of the flow) -> `lip2speech.inference.text.Text`.
        write_words: (file of --words, text, video, voiced seconds) writes the words.

    Returns 0; 1 if the file is truncated or damaged and only its readable part was voiced. Raises VsrError.
    """
    references = references_of(args.reference)
    voices = _voices(args, references)
    from lip2speech.inference.dubbing import speak
    from lip2speech.inference.folder import load_model
    from lip2speech.inference.spoken import write_spoken
    from lip2speech.inference.watermark import mark
    from vsr.core.progress import Watch, film_bar

    loaded = _with_tokens(load_model(args.model, args.device), args)
    options = _options(args)
    text = text_for(loaded, options.flow)
    with film_bar() as progress:
        spoken, broken = speak_readable_part(speak, loaded, args.video, voices, options, text, Watch(progress=progress))
    write_spoken(mark(spoken.wave) if args.watermark else spoken.wave, args.video, args.out, plan)
    if args.words:
        write_words(args.words, text, args.video, spoken.seconds)
    _report(args, plan, references, text, spoken)
    return report_broken(args.video, broken)


def speak_readable_part(speak: Callable, *arguments):
    """Call ``speak``: (voice of the readable part, error of a truncated or damaged video, or None). Raises VsrError."""
    from vsr.core.errors import Incomplete

    try:
        return speak(*arguments), None
    except Incomplete as error:
        return error.record, error


def report_broken(video: str, broken) -> int:
    """Print a line on stderr about a video that was not read to its end; returns the exit status."""
    if broken:
        print(f"lip2speech: {broken}; what could not be read is silent", file=sys.stderr)
    return int(broken is not None)


def _voices(args: argparse.Namespace, references: dict[int | None, Reference]) -> dict:
    """The references for `lip2speech.inference.dubbing.speak`; with --fill the default is the recording's own voice.
    Raises VsrError."""
    voices = {face: resolve_reference(reference, args.video, args.model) for face, reference in references.items()}
    return {None: Reference(OWN)} | voices if args.fill else voices


def _options(args: argparse.Namespace):
    from lip2speech.inference.dubbing import SpeakOptions

    gap = parse_gap(args.fill) if args.fill else None
    return SpeakOptions(flow_options(args), args.faces, prosody_of(args), args.noisy, gap, parse_emotion(args.emotion))


def _with_tokens(loaded, args: argparse.Namespace):
    """The voice, with the token model of --tokens, if given, instead of the flow. Raises VsrError."""
    tokens = token_options(args)
    if not tokens:
        return loaded
    from lip2speech.inference.token_voice import with_tokens

    return with_tokens(loaded, args.tokens, tokens)


def _report(args: argparse.Namespace, plan, references: dict[int | None, Reference], text, spoken) -> None:
    """Print what was done, and on stderr what was not done as requested."""
    from vsr.media.streams import report_stream_choice

    report_warnings(args.video, spoken)
    report_differences(args.out, plan, references, spoken.faces)
    report_stream_choice("lip2speech", args.video, spoken.stream)
    if warning := text.warning():
        print(f"lip2speech: {args.video}: {warning}", file=sys.stderr)
    if words := text.display_text():
        print(words)
    print(f"{args.out}: {spoken.seconds:.2f} s of speech")


def report_warnings(video: str, spoken) -> None:
    """Print a line on stderr for each warning, such as covered mouths or no speech at all."""
    for warning in spoken.warnings:
        print(f"lip2speech: {video}: {warning['message']}", file=sys.stderr)


def report_differences(out: str, plan, references: dict[int | None, Reference], voiced: tuple[int, ...]) -> None:
    """Print a line on stderr for what was not done as requested."""
    if plan and plan.again:
        print(f"lip2speech: {out}: the video was encoded again, not copied: {plan.again}", file=sys.stderr)
    for face in sorted(face for face in references.keys() - set(voiced) if face is not None):
        faces = ", ".join(map(str, voiced))
        print(f"lip2speech: face {face} is not voiced, its reference was not used; voiced: {faces}", file=sys.stderr)
