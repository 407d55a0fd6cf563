"""`lip2speech match`: which face speaks in a recording."""

from __future__ import annotations

import argparse
import json

HELP = "find which of several faces speaks in a recording"
ABOUT = """Compares the lips of every face in the videos with a recording, at every shift between the
two. A face with a score above 1.25 speaks exactly this recording, from the second that is
printed. The sound of the videos is not used. If no face does, as in another recording of
the same person, the faces are ranked by score or, with a voice that has learned faces
(--model, lip2speech face), by their looks. Looks only work for people like those in its
training, and do not prove who somebody is. Use it only with the consent of the people whose
faces and voices they are."""
FILES = """reads   a recording with at least 1 s of sound; videos; a model
writes  a line for each face, best first; with --out JSON Lines: video, face, start, score,
        speaks, cosine"""
FAILS = "a video could not be read; the others are compared all the same"
SEE = "vsr speakers, lip2speech face"
EXAMPLE = """lip2speech match --voice said.wav anna.mp4 ben.mp4
lip2speech match --voice said.wav panel.mp4 --model exp/voice --out faces.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="videos of faces")
    parser.add_argument("--voice", required=True, metavar="FILE", help="the recording")
    parser.add_argument("--model", metavar="DIR", help="a voice that has learned faces (default: synchrony alone)")
    parser.add_argument("--out", metavar="JSONL", help="also write the figures to this file")


def run(args: argparse.Namespace) -> int:
    """Compare and print; 1 where a video could not be read, with the others compared. Raises VsrError."""
    from vsr.cli.each_video import tell_error
    from vsr.core.errors import VsrError

    _check_out(args)
    check_given(args)
    from vsr.media.audio import read_wave

    wave = read_wave(args.voice)  # is quick to refuse
    from lip2speech.inference.matching import matches
    from vsr.decoding.synchrony import load_synchrony

    faces, vector = _looks(args)
    failed: list[str] = []

    def tell(video: str, error: VsrError) -> None:
        failed.append(video)
        tell_error(video, error, "lip2speech")

    _show(matches(load_synchrony(), wave, args.videos, faces, vector, tell), bool(faces), args.out)
    return 1 if failed else 0


def _show(found: list, by_looks: bool, out: str | None) -> None:
    """Print what was found, best first, and write it to ``out``, if given. Raises VsrError."""
    from vsr.core.files import write_lines

    for own in found:
        print(line_of(own))
    if found and not found[0].speaks:
        print(_ranked(found, by_looks))
    if out:
        write_lines(out, (json.dumps(record_of(own), ensure_ascii=False) for own in found))


def _check_out(args: argparse.Namespace) -> None:
    """Raises VsrError for a file of figures that may not be written."""
    from vsr.core.files import check_output
    from vsr.core.kinds import lines_of

    if args.out:
        faces = lines_of("figures of lip2speech match", "video", "face", "score")
        check_output(args.out, args.voice, *args.videos, kind=faces)


def _looks(args: argparse.Namespace) -> tuple:
    """The network of faces and the vector of the recording, where --model is given. Raises VsrError."""
    if not args.model:
        return None, None
    from lip2speech.features.speaker import reference_vector
    from lip2speech.inference.faces import load_face_voice

    return load_face_voice(args.model), reference_vector(args.voice)


def _ranked(found: list, by_looks: bool) -> str:
    """What is printed where nobody is shown to speak the recording."""
    from lip2speech.inference.matching import chance

    by = "looks" if by_looks else "how well their lips fit"
    ranked = f"ranked by {by}; a guess is right once in {1 / chance(found):.0f}"
    return f"no face is shown to speak just this recording: {ranked}"


def check_given(args: argparse.Namespace) -> None:
    """Refuse a voice that is absent, or videos that all are, before the libraries are loaded. Raises VsrError."""
    from pathlib import Path

    from vsr.core.errors import VsrError

    if not Path(args.voice).exists():
        raise VsrError("unreadable", f"{args.voice}: no such file")
    if not any(Path(name).exists() for name in args.videos):
        raise VsrError("unreadable", f"{args.videos[0]}: no such file")
    if args.model and not Path(args.model).is_dir():
        raise VsrError("bad_model", f"{args.model}: no such model folder")


def line_of(own) -> str:
    """What is printed of a face."""
    where = f"from {own.start:.2f} s" if own.start >= 0 else f"from {-own.start:.2f} s before it"
    said = f"speaks this recording, {where}" if own.speaks else "is not shown to speak this recording"
    looks = "" if own.cosine is None else f", looks {own.cosine:.2f}"
    return f"{own.video}: face {own.face} {said} (score {own.score:+.1f}{looks})"


def record_of(own) -> dict:
    """A line of --out."""
    return vars(own) | {"speaks": own.speaks}
