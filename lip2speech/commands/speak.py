"""`lip2speech speak`: a silent video becomes a video with a voice, or a sound file."""

from __future__ import annotations

import argparse
from pathlib import Path

from lip2speech.flow_options import add_flow_arguments, flow_options
from vsr.machine import add_device_argument

HELP = "give the face in a video its voice"
ABOUT = """Gives the face that fills most of the picture a voice: the model's own, or that of a
recording. The sound is as long as the video and begins with its first frame; the
picture is copied, not encoded anew. The voice is synthetic and can be wrong."""
FILES = """reads   a video file, whose own sound is not listened to; a recording; a model
writes  the video with its new sound, or .wav (16 kHz)"""
SEE = "vsr transcribe, lip2speech evaluate"
EXAMPLE = """lip2speech speak clip.mp4 -o voiced.mp4
lip2speech speak clip.mp4 -o voice.wav --reference someone.wav"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    voice = parser.add_argument_group("voice")
    voice.add_argument("--reference", metavar="FILE", help="recording of the voice (default: the model's own)")
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    add_device_argument(voice)
    add_flow_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Speak and write. Raises VsrError."""
    from lip2speech.hub import load_model
    from lip2speech.speak import speak, write_spoken
    from vsr.clock import FPS
    from vsr.errors import VsrError
    from vsr.files import check_output

    check_output(args.out, args.video, *([args.reference] if args.reference else []))
    if not Path(args.out).suffix:
        raise VsrError("bad_options", f"{args.out}: the suffix says what to write, such as .mp4 or .wav")
    options = flow_options(args)  # first, because it is quick to refuse
    spoken = speak(load_model(args.model, args.device), args.video, args.reference, options)
    write_spoken(spoken, args.video, args.out)
    print(f"{args.out}: {len(spoken.clip.crop) / FPS:.2f} s of speech")
    return 0
