"""`lip2speech fill`: a gap in the sound of a video is made from its lips and the sound around it."""

from __future__ import annotations

import argparse

from lip2speech.cli.commands.speak import add_voice_arguments, check_given, references_of, voice
from lip2speech.cli.consent import check_consent
from lip2speech.inference.prosody import prosody_of
from lip2speech.models.flow_options import flow_options
from lip2speech.models.token_options import add_token_argument

HELP = "fill a gap in a video's sound with what its lips say there"
ABOUT = """Makes a part of the sound of a video, where it is lost or drowned, from the lips there and
the sound around it, in the voice of the recording; all else stays as it is, to the
sample. It needs a voice that was trained with a condition of kind context, or a token
model that infills; the voice in the package is refused. Only with the consent of whose
voice it is; the file's metadata says that there is a synthetic voice in it."""
FILES = """reads   a video file with sound; a recording; a model
writes  the video with its new sound, or .wav (16 kHz)"""
SEE = "lip2speech enhance, lip2speech dub"
EXAMPLE = """lip2speech fill call.mp4 1.2-1.8 -o whole.mp4 --model exp/infill --consent
lip2speech fill call.mp4 1.2-1.8 -o whole.wav --tokens exp/voicecraft/model --consent"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file with sound")
    parser.add_argument("fill", metavar="START-END", help="which seconds of the video")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    parser.set_defaults(faces="largest", words=None, noisy=None)
    voice = parser.add_argument_group("voice")
    add_token_argument(voice)
    add_voice_arguments(parser, voice)


def run(args: argparse.Namespace) -> int:
    """Fill and write. Raises VsrError."""
    plan = check_given(args, references_of(args.reference))  # before PyTorch is loaded
    check_consent(args.consent, "a part of somebody's speech")
    from lip2speech.inference.text import Text

    return voice(args, plan, flow_options(args), prosody_of(args), lambda *_: Text(), None)
