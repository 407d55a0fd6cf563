"""`lip2speech speak`: a silent video becomes a video with a voice, or a sound file."""

from __future__ import annotations

import argparse

from lip2speech.cli.consent import remind_of_consent, unused_consent
from lip2speech.cli.references import references_of
from lip2speech.cli.voicing import add_voice_arguments, check_arguments, voice_video
from lip2speech.inference.synthesis_options import AUTO, NONE, READ, READ_ALL
from lip2speech.models.flow_options import unused_of_flow
from lip2speech.models.token_options import check_tokens_alone
from vsr.cli.options import add_faces_argument

HELP = "give the face in a video its voice"
ABOUT = """Gives the largest face in each shot a voice: the model's own, that of a recording, of the
video itself (own), a saved one, or an anonymous one (the mean of voices that are far from
the one in the video). The sound starts with the first frame and is as long as the video,
whatever its length; the video stream is copied, not re-encoded, unless the container could
not show it unchanged: then a line says so. The words read from the lips make the voice
clearer (--text read), except where the lips are unlike the reader's training data, because
its words are guesses there (read! uses them all the same). The voice is synthetic and can
be wrong; the metadata say so."""
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
    noisy = "clean the video's own sound, with the lips: mask it, make it again, or auto (default); needs --model"
    group.add_argument("--noisy", nargs="?", const=AUTO, metavar="auto|mask|made", help=noisy)
    group.add_argument("--words", metavar="FILE", help="JSON of the words, with confidence; unsure ones are marked")
    add_voice_arguments(parser, group)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_consent(args) | unused_of_flow(args, args.text != NONE)


def run(args: argparse.Namespace) -> int:
    """Speak and write. Raises VsrError."""
    references = references_of(args.reference)
    args.text = check_tokens_alone(args, args.text, args.noisy)
    plan = check_arguments(args, references)  # before PyTorch is loaded, to fail early
    if args.fill or any(reference.is_somebody for reference in references.values()):
        remind_of_consent(args.consent, "--reference" if references else "--fill")
    if args.text not in (None, NONE, READ, READ_ALL):
        from vsr.media.decoding_check import check_video

        check_video(args.video)  # known words are aligned to the whole video
    from lip2speech.inference.text import open_text
    from lip2speech.inference.words_record import write_words_record

    def text_for(loaded, options):
        return open_text(loaded, args.text, options, args.video, args.faces)

    return voice_video(args, plan, text_for, write_words_record)
