"""`lip2speech live`: live voicing of a camera, a stream, a pipe or a file."""

from __future__ import annotations

import argparse

from lip2speech.cli.consent import add_consent_argument, remind_of_consent, unused_consent
from lip2speech.inference.reference import Reference, files_of, fixed_embedding, read_reference
from lip2speech.inference.synthesis_options import READ, READ_ALL
from lip2speech.models.flow_options import add_flow_arguments, flow_options, unused_of_flow
from vsr.core.machine import add_device_argument

HELP = "voice a camera or a stream live"
ABOUT = """Voices the largest face that speaks, one utterance at a time, as soon as the lips rest; the
text that was read goes to stderr, and at the end the delay behind the lips. The voice is
synthetic and can be wrong; the metadata say so. A file is played at its own pace, as a
rehearsal. Ctrl-C ends it."""
FILES = """reads   a camera, a stream, standard input or a file; a recording or saved voice; a model
writes  .wav, each utterance at its time; or with - a .wav stream of them for a player"""
SEE = "lip2speech speak, vsr live"
STREAMS = True
EXAMPLE = """lip2speech live 0 -o said.wav
lip2speech live 0 -o - --text read
lip2speech live clip.mp4 -o said.wav --reference someone.wav"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SOURCE", help="number of a camera, address of a stream, file, or -")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help=".wav; -: standard output, for a player")
    voice = parser.add_argument_group("voice")
    reference = "a recording; NAME: a saved voice; anonymous[:SEED]: an anonymous one (default: the model's own)"
    voice.add_argument("--reference", metavar="WHO", help=reference)
    add_consent_argument(voice)
    voice.add_argument("--text", metavar="read|read!|none", help="what is said (default: none)")
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    add_device_argument(voice)
    add_flow_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_consent(args) | unused_of_flow(args, args.text in (READ, READ_ALL))


def run(args: argparse.Namespace) -> int:
    """Voice until the source ends or Ctrl-C. Raises VsrError."""
    options = flow_options(args)
    reference = check_arguments(args)  # before PyTorch is loaded, to fail early
    if reference and reference.is_somebody:
        remind_of_consent(args.consent, "--reference")
    vector = fixed_embedding(reference) if reference else None  # before models are loaded
    from vsr.inference.live.capture import Capture
    from vsr.inference.live.source import check_source, open_source

    check_source(args.source)
    from lip2speech.inference.live import LiveOutput

    voice, session = _voice_and_session(args, options, vector)
    capture = Capture(open_source(args.source))  # last, so that no frames are captured while models are loaded
    follow(voice, session, capture, LiveOutput(args.out))
    if capture.error is not None:
        raise capture.error
    return 0


def _voice_and_session(args: argparse.Namespace, options, vector):
    """Load the voice and the session that it follows; ``vector`` (256,): speaker embedding, None for the model's own
    voice. Raises VsrError."""
    import torch

    from lip2speech.inference.folder import load_model
    from lip2speech.inference.live import LiveVoice
    from lip2speech.inference.text import resolve_text_source
    from vsr.face.detector import default_detector
    from vsr.inference.live.session import Session, live_options

    loaded = load_model(args.model, args.device)
    text = resolve_text_source(loaded, args.text, options)
    embedding = None if vector is None else torch.from_numpy(vector)
    voice = LiveVoice(loaded, loaded.reader.name, embedding, options, text)
    return voice, Session(loaded.reader, default_detector(), live_options(loaded.reader))


def check_arguments(args: argparse.Namespace) -> Reference | None:
    """Check the output and the text; returns the reference. Raises VsrError bad_options, bad_config, not_writable."""
    from pathlib import Path

    from lip2speech.inference.synthetic_marks import VOICE
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output

    if args.text not in (None, "read", "read!", "none"):
        raise VsrError("bad_options", f"--text is '{args.text}'; for a live source it can be read, read! or none")
    reference = read_reference(args.reference) if args.reference else None
    if args.out == "-":
        return reference
    if Path(args.out).suffix.lower() != ".wav":
        raise VsrError("bad_options", f"{args.out}: the name must end in .wav, or be - for standard output")
    check_output(args.out, args.source, *files_of(reference), kind=VOICE)
    return reference


def follow(voice, session, capture, sound) -> None:
    """Voice to the end and write. Raises VsrError."""
    import sys

    from vsr.core.interrupts import settle
    from vsr.inference.live.notes import notes_of

    def take(utterance) -> None:
        sound.add(utterance)
        line = f"{utterance.start:8.2f}  {utterance.line or '-'}  ({utterance.delay:.1f} s behind)"
        print(line, file=sys.stderr, flush=True)
        if utterance.warning:
            print(f"lip2speech: {utterance.warning}", file=sys.stderr)

    try:
        voice.follow(session.run(capture), take)
    except KeyboardInterrupt:  # the usual end
        settle()
        print(file=sys.stderr)
    finally:
        capture.close()
        sound.close()
    dropped = f"; {capture.dropped} frames dropped to keep up" if capture.dropped else ""
    print("; ".join([f"{sound.summary()}{dropped}", *notes_of(session)]), file=sys.stderr)
