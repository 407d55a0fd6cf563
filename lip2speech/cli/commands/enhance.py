"""`lip2speech enhance`: noise is taken out of a video's sound, with the help of its lips."""

from __future__ import annotations

import argparse

from lip2speech.cli.commands.speak import add_voice_arguments, check_given, references_of, voice
from lip2speech.cli.consent import remind_of_consent
from lip2speech.inference.options import MADE, MASK
from lip2speech.inference.prosody import prosody_of
from lip2speech.models.flow_options import flow_options
from vsr.cli.options import add_faces_argument

HELP = "take the noise out of a video's sound, with the help of its lips"
ABOUT = """Turns the noise in the sound of a video down to what its lips and the sound together say
of the speech, of the face that fills most of the frame in each shot; where no lips
speak, it is silent. The voice stays that of the recording; with --made it is made again.
It needs a voice that was trained with a condition of kind noisy; the one in the package
speaks from lips alone and is refused."""
FILES = """reads   a video file with sound; a recording; a model
writes  the video with its new sound, or .wav (16 kHz)"""
SEE = "lip2speech speak, lip2speech fill, vsr corrupt"
EXAMPLE = """lip2speech enhance street.mp4 -o clean.mp4 --model exp/enhance
lip2speech enhance street.mp4 -o clean.wav --model exp/enhance --made"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file with sound")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    add_faces_argument(parser)
    parser.add_argument("--made", action="store_true", help="make the speech again, in place of turning down the noise")
    parser.set_defaults(words=None, tokens=None, fill=None)
    add_voice_arguments(parser, parser.add_argument_group("voice"))


def run(args: argparse.Namespace) -> int:
    """Clean and write. Raises VsrError."""
    references = references_of(args.reference)
    plan = check_given(args, references)  # before PyTorch is loaded
    if references:
        remind_of_consent(args.consent, "--reference")
    from lip2speech.inference.text import Text

    args.noisy = MADE if args.made else MASK
    return voice(args, plan, flow_options(args), prosody_of(args), lambda *_: Text(), None)
