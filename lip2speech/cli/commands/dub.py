"""`lip2speech dub`: a video says a script."""

from __future__ import annotations

import argparse

from lip2speech.cli.consent import check_consent
from lip2speech.cli.references import references_of
from lip2speech.cli.voicing import add_voice_arguments, check_arguments, voice_video
from lip2speech.models.flow_options import unused_of_flow
from vsr.core.errors import VsrError

HELP = "make the face in a video say a script"
ABOUT = """Gives the largest face in each shot a voice that says a script. The words are placed by the
lips; the cues of an .srt limit where each is searched for. If the script does not fit the
lips, this is reported word by word: such words are spread over the speech in proportion to
their letters; where no lips speak, nothing is said. The voice is synthetic, and the
metadata say so. Use it only with the consent of the person whose face and voice it is;
never to put words into somebody's mouth."""
FILES = """reads   a video file, its sound only for own and anonymous; a script; recordings; a model
writes  the video with its new sound, or .wav (16 kHz); with --words: JSON"""
SEE = "lip2speech speak, vsr align"
EXAMPLE = """lip2speech dub clip.mp4 --script clip.srt -o dubbed.mp4 --consent
lip2speech dub clip.mp4 --script clip.txt -o voice.wav --words placed.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", help="video file")
    parser.add_argument("--script", required=True, metavar="FILE", help="what is said: .srt with times, or .txt")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="video with the new sound, or .wav for the sound alone"
    )
    parser.add_argument("--words", metavar="FILE", help="JSON of the place of each word, and how well it fits")
    parser.set_defaults(faces="largest", noisy=None)
    add_voice_arguments(parser, parser.add_argument_group("voice"))


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_flow(args)


def run(args: argparse.Namespace) -> int:
    """Place, speak and write. Raises VsrError."""
    from lip2speech.inference.script import read_script
    from vsr.media.decoding_check import check_video

    if args.tokens:
        raise VsrError("bad_options", "--tokens: a token model cannot follow a script; leave --tokens out")
    cues = read_script(args.script)
    plan = check_arguments(args, references_of(args.reference), args.script)  # before PyTorch is loaded
    check_consent(args.consent, "a dubbed voice")
    check_video(args.video)  # a script is placed in all of a film
    from lip2speech.inference.script_text import open_script, write_placement

    def text_for(loaded, options):
        return open_script(loaded, cues, options, args.video)

    return voice_video(args, plan, text_for, write_placement)
