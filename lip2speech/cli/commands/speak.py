"""`lip2speech speak`: a silent video becomes a video with a voice, or a sound file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from lip2speech.cli.commands.watermark import add_watermark_argument
from lip2speech.cli.consent import add_consent_argument, remind_of_consent
from lip2speech.inference.gap import gap_of
from lip2speech.inference.options import AUTO, NONE, check_noisy
from lip2speech.inference.prosody import add_prosody_arguments, prosody_of
from lip2speech.inference.reference import OWN, Reference, read_reference
from lip2speech.models.emotion_options import emotion_of
from lip2speech.models.flow_options import add_flow_arguments, flow_options, unused_of_flow
from lip2speech.models.token_options import add_token_arguments, check_tokens_alone, token_options
from vsr.cli.options import add_faces_argument, check_present
from vsr.core.machine import add_device_argument

HELP = "give the face in a video its voice"
ABOUT = """Gives the largest face in each shot a voice: the model's own, that of a recording, of the
video itself (own), a saved one, or nobody's (anonymous: the mean of voices far from the one
in the video). The sound starts with the first frame and is as long as the video, whatever
its length; the video stream is copied, not re-encoded, unless the container could not show
it unchanged: then a line says so. The words that are read from the lips make the voice
clearer (--text read), except where the lips are unlike the reader's training data, as its
words are guesses there (read! uses them all the same). The voice is synthetic and can be
wrong; the metadata say so."""
FILES = """reads   a video file, its sound only for own, anonymous, --noisy, --fill; recordings; a model
writes  the video with its new sound, or .wav (16 kHz); with --words: JSON"""
SEE = "vsr transcribe, lip2speech voices, lip2speech watermark"
EXAMPLE = """lip2speech speak clip.mp4 -o voiced.mp4
lip2speech speak clip.mp4 -o voice.wav --reference someone.wav --consent
lip2speech speak clip.mp4 -o voiced.mp4 --reference anonymous:7 --watermark
lip2speech speak clip.mp4 -o voiced.mp4 --text "bin blue at f two now"
lip2speech speak clip.mp4 -o voiced.mp4 --pitch +2st --energy=-3dB
lip2speech speak street.mp4 -o clean.mp4 --noisy --model exp/enhance
lip2speech speak clip.mp4 -o voiced.mp4 --tokens exp/mtp/model --decode verified
lip2speech speak call.mp4 -o whole.mp4 --fill 1.2-1.8 --model exp/infill --consent
lip2speech speak video.mkv -o voiced.mkv --faces 2 --reference 0=anna.wav --reference 1=ben.wav"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    add_faces_argument(parser)
    group = parser.add_argument_group("voice")
    group.add_argument(
        "--text", metavar="read|read!|none|WORDS|FILE",
        help="what is said (default: read, if this voice has a listener)",
    )  # fmt: skip
    noisy = "clean the video's own sound, with the lips: mask it, make it again, or what fits (default); needs --model"
    group.add_argument("--noisy", nargs="?", const=AUTO, metavar="auto|mask|made", help=noisy)
    group.add_argument("--words", metavar="FILE", help="JSON of the words, with confidence; unsure ones are marked")
    add_voice_arguments(parser, group)


def add_voice_arguments(parser: argparse.ArgumentParser, voice) -> None:
    """Declare whose voice it is, its prosody, model and flow; ``voice``: the group of the first of them."""
    voice.add_argument(
        "--reference", action="append", default=[], metavar="[N=]WHO",
        help="a recording; own: the video's sound; anonymous[:SEED]: nobody; face: by its looks; NAME: a saved voice; "
        "with N=, of face N (default: the model's own)",
    )  # fmt: skip
    voice.add_argument("--fill", metavar="START-END", help="make these seconds of the sound alone, to fit the rest")
    add_prosody_arguments(voice)
    voice.add_argument("--emotion", metavar="NAME[:A[,B]]", help="towards it by A (1), away from others by B (0)")
    add_watermark_argument(voice)
    add_token_arguments(voice)
    add_consent_argument(voice)
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    add_device_argument(voice)
    add_flow_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_flow(args, args.text != NONE)


def run(args: argparse.Namespace) -> int:
    """Speak and write. Raises VsrError."""
    references = references_of(args.reference)
    args.text = check_tokens_alone(args, args.text, args.noisy)
    plan = check_given(args, references)  # before PyTorch is loaded: it is quick to refuse
    if args.fill or any(own.is_somebody for own in references.values()):
        remind_of_consent(args.consent, "--reference" if references else "--fill")
    from lip2speech.inference.said_record import write_said
    from lip2speech.inference.text import open_text

    def text_for(loaded, options):
        return open_text(loaded, args.text, options, args.video, args.faces)

    return voice(args, plan, flow_options(args), prosody_of(args), text_for, write_said)


def voice(args: argparse.Namespace, plan, flow, prosody, text_for: Callable, write_words: Callable) -> int:
    """Speak and write, for every verb that voices a video.

    Args:
        args: of `add_voice_arguments`, with ``video``, ``out``, ``words`` and ``faces``.
        plan: of `check_given`; flow, prosody: of `flow_options` and `prosody_of`.
        text_for: (voice, options of the flow) -> the `lip2speech.inference.text.Text`.
        write_words: (file of --words, text, video, seconds that are voiced) writes them.

    Raises VsrError.
    """
    references = references_of(args.reference)
    gap = gap_of(args.fill) if args.fill else None
    voices = {face: heard(own, args.video, args.model) for face, own in references.items()}  # is quick to refuse
    if gap and None not in voices:
        voices[None] = Reference(OWN)  # the voice of the recording itself
    from lip2speech.inference.dubbing import speak, write_spoken
    from lip2speech.inference.folder import load_model
    from lip2speech.inference.watermark import mark
    from vsr.core.progress import Watch, film_bar
    from vsr.media.streams import tell_choice

    loaded = _with_tokens(load_model(args.model, args.device), args)
    text = text_for(loaded, flow)
    with film_bar() as progress:
        watch = Watch(progress=progress)
        feeling = emotion_of(args.emotion)
        spoken = speak(
            loaded, args.video, voices, flow, args.faces, watch, text, prosody, args.noisy, gap, feeling
        )  # fmt: skip
    if args.watermark:
        spoken.wave = mark(spoken.wave)
    write_spoken(spoken, args.video, args.out, plan)
    if args.words:
        write_words(args.words, text, args.video, spoken.seconds)
    tell_what_is_silent(args.video, spoken)
    tell_what_differs(args.out, plan, references, spoken.faces)
    tell_choice("lip2speech", args.video, spoken.stream)
    if warning := text.warning():
        print(f"lip2speech: {args.video}: {warning}", file=sys.stderr)
    if words := text.shown():
        print(words)
    print(f"{args.out}: {spoken.seconds:.2f} s of speech")
    return 0


def _with_tokens(loaded, args: argparse.Namespace):
    """The voice, with a token model in the flow's place where --tokens names one. Raises VsrError."""
    tokens = token_options(args)
    if not tokens:
        return loaded
    from lip2speech.inference.token_voice import with_tokens

    return with_tokens(loaded, args.tokens, tokens)


def heard(reference: Reference, video: str, model: str | None):
    """The vector (256,) of whom a reference names, itself for the looks of a face; says what there is to know of it.

    Raises VsrError.
    """
    from lip2speech.inference.reference import FACE, whose

    if reference.kind == FACE:
        from lip2speech.inference.faces import face_folder
        from lip2speech.inference.folder import find_model

        face_folder(find_model(model))
        return reference

    found = whose(reference, video)
    if found.note:
        print(f"lip2speech: {video}: {found.note}", file=sys.stderr)
    return found.vector


def check_given(args: argparse.Namespace, references: dict[int | None, Reference], *read: str):
    """Check files and options before the work; returns how the video goes into the output, None for a .wav; ``read``:
    further files that are read.

    Raises VsrError.
    """
    from lip2speech.inference.synthetic import VOICE, WORDS
    from vsr.core.errors import VsrError
    from vsr.core.files import check_outputs
    from vsr.media.mux.mux import check_container

    check_present([args.video])
    recordings = [own.file for own in references.values() if own.file]
    check_outputs(((args.out, VOICE), (args.words, WORDS)), args.video, *recordings, *read)
    if not Path(args.out).suffix:
        raise VsrError("bad_options", f"{args.out}: the suffix says what to write, such as .mp4 or .wav")
    flow_options(args)
    prosody_of(args)
    if emotion := emotion_of(args.emotion):
        if args.tokens:
            raise VsrError("bad_options", "--emotion is of a flow, not of --tokens")
        from lip2speech.inference.folder import ACOUSTIC, check_feels, find_model

        check_feels(find_model(args.model) / ACOUSTIC, emotion.name)
    token_options(args)
    check_noisy(args.noisy)
    if args.fill:
        check_gap(args)
    if (args.noisy or args.fill) and not args.tokens:
        from lip2speech.inference.folder import ACOUSTIC, check_given_sound, find_model

        check_given_sound(find_model(args.model) / ACOUSTIC, bool(args.fill))
    return None if Path(args.out).suffix.lower() == ".wav" else check_container(args.video, args.out)


def check_gap(args: argparse.Namespace) -> None:
    """Refuse a gap that cannot be, and what goes with none. Raises VsrError."""
    from vsr.core.errors import VsrError

    gap_of(args.fill)
    if args.noisy:
        raise VsrError("bad_options", "--fill keeps the sound around the gap, --noisy makes all of it again: give one")


def tell_what_is_silent(video: str, spoken) -> None:
    """A line on stderr where mouths were covered, or nothing is said at all."""
    for warning in spoken.warnings:
        print(f"lip2speech: {video}: {warning['message']}", file=sys.stderr)


def tell_what_differs(out: str, plan, references: dict[int | None, Reference], voiced: tuple[int, ...]) -> None:
    """A line on stderr for what was not done as it was asked for."""
    if plan and plan.again:
        print(f"lip2speech: {out}: the video was encoded again, not copied: {plan.again}", file=sys.stderr)
    for face in sorted(references.keys() - {None, *voiced}):
        named = ", ".join(map(str, voiced))
        print(f"lip2speech: face {face} is not voiced, its reference was not used; voiced: {named}", file=sys.stderr)


def references_of(given: list[str]) -> dict[int | None, Reference]:
    """WHO and N=WHO -> references by the number of the face, None for all others. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError

    found: dict[int | None, Reference] = {}
    for text in given:
        number, _, path = text.partition("=")
        numbered = path and number.isascii() and number.isdigit() and not Path(text).exists()
        face, path = (int(number), path) if numbered else (None, text)
        if face in found:
            who = "all faces" if face is None else f"face {face}"
            raise VsrError("bad_options", f"--reference is given twice for {who}")
        found[face] = read_reference(path)
    return found
