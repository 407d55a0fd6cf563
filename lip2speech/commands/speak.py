"""`lip2speech speak`: a silent video becomes a video with a voice, or a sound file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lip2speech.flow_options import add_flow_arguments, flow_options
from vsr.flags import add_faces_argument
from vsr.machine import add_device_argument

HELP = "give the face in a video its voice"
ABOUT = """Gives the face that fills most of the picture in each shot a voice: the model's own,
or that of a recording. The sound is as long as the video, of any length, and begins
with its first frame; the picture is copied, not encoded anew. The voice is synthetic
and can be wrong."""
FILES = """reads   a video file, whose own sound is not listened to; a recording; a model
writes  the video with its new sound, or .wav (16 kHz)"""
SEE = "vsr transcribe, lip2speech evaluate"
EXAMPLE = """lip2speech speak clip.mp4 -o voiced.mp4
lip2speech speak clip.mp4 -o voice.wav --reference someone.wav
lip2speech speak film.mkv -o voiced.mkv --faces 2 --reference 0=anna.wav --reference 1=ben.wav"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    add_faces_argument(parser)
    voice = parser.add_argument_group("voice")
    voice.add_argument(
        "--reference", action="append", default=[], metavar="[N=]FILE",
        help="recording of the voice, or of face N's (default: the model's own)",
    )  # fmt: skip
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    add_device_argument(voice)
    add_flow_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Speak and write. Raises VsrError."""
    from lip2speech.hub import load_model
    from lip2speech.speak import speak, write_spoken
    from vsr.errors import VsrError
    from vsr.files import check_output
    from vsr.progress import Watch, film_bar
    from vsr.video.streams import tell_choice

    references = references_of(args.reference)
    check_output(args.out, args.video, *references.values())
    if not Path(args.out).suffix:
        raise VsrError("bad_options", f"{args.out}: the suffix says what to write, such as .mp4 or .wav")
    options = flow_options(args)  # first, because it is quick to refuse
    loaded = load_model(args.model, args.device)
    with film_bar() as progress:
        watch = Watch(progress=progress)
        spoken = speak(loaded, args.video, references, options, args.faces, watch)
    write_spoken(spoken, args.video, args.out)
    for face in sorted(references.keys() - {None, *spoken.faces}):
        voiced = ", ".join(map(str, spoken.faces))
        print(f"lip2speech: face {face} is not voiced, its reference was not used; voiced: {voiced}", file=sys.stderr)
    tell_choice("lip2speech", args.video, spoken.stream)
    print(f"{args.out}: {spoken.seconds:.2f} s of speech")
    return 0


def references_of(given: list[str]) -> dict[int | None, str]:
    """FILE and N=FILE -> recordings by the number of the face, None for all others. Raises VsrError bad_options."""
    from vsr.errors import VsrError

    found: dict[int | None, str] = {}
    for text in given:
        number, _, path = text.partition("=")
        numbered = path and number.isascii() and number.isdigit() and not Path(text).exists()
        face, path = (int(number), path) if numbered else (None, text)
        if face in found:
            who = "all faces" if face is None else f"face {face}"
            raise VsrError("bad_options", f"--reference is given twice for {who}")
        found[face] = path
    return found
