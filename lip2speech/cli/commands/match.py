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
    """Compare and print; 1 if a video could not be read; the others are compared. Raises VsrError."""
    from vsr.cli.each_video import tell_error
    from vsr.core.errors import VsrError

    _check_out(args)
    check_arguments(args)
    from vsr.media.audio import read_wave

    wave = read_wave(args.voice)  # before models are loaded, to fail early
    from lip2speech.inference.matching import match_faces
    from vsr.decoding.synchrony import load_synchrony

    faces, vector = _looks(args)
    unread: list[str] = []

    def report_unread(video: str, error: VsrError) -> None:
        unread.append(video)
        tell_error(video, error, "lip2speech")

    _print_and_write(
        match_faces(load_synchrony(), wave, args.videos, faces, vector, report_unread), bool(faces), args.out
    )
    return 1 if unread else 0


def _print_and_write(matches: list, by_looks: bool, out: str | None) -> None:
    """Print the matches, best first, and write them to ``out``, if given. Raises VsrError."""
    from vsr.core.files import write_lines

    for match in matches:
        print(line_of(match))
    if matches and not matches[0].speaks:
        print(_ranking_note(matches, by_looks))
    if out:
        write_lines(out, (json.dumps(record_of(match), ensure_ascii=False) for match in matches))


def _check_out(args: argparse.Namespace) -> None:
    """Refuse an --out that may not be overwritten. Raises VsrError."""
    from vsr.core.file_kinds import json_lines_kind
    from vsr.core.files import check_output

    if args.out:
        faces = json_lines_kind("figures of lip2speech match", "video", "face", "score")
        check_output(args.out, args.voice, *args.videos, kind=faces)


def _looks(args: argparse.Namespace) -> tuple:
    """The face network and the speaker embedding of the recording; (None, None) without --model. Raises VsrError."""
    if not args.model:
        return None, None
    from lip2speech.features.speaker import reference_vector
    from lip2speech.inference.face_voices import load_face_voice

    return load_face_voice(args.model), reference_vector(args.voice)


def _ranking_note(matches: list, by_looks: bool) -> str:
    """The message for a recording that no face was found to speak."""
    from lip2speech.inference.matching import chance

    by = "looks" if by_looks else "how well their lips fit"
    explanation = f"ranked by {by}; a guess is right once in {1 / chance(matches):.0f}"
    return f"no face is shown to speak just this recording: {explanation}"


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse a missing recording or model, or if no video exists, before libraries are loaded. Raises VsrError."""
    from pathlib import Path

    from vsr.core.errors import VsrError

    if not Path(args.voice).exists():
        raise VsrError("unreadable", f"{args.voice}: no such file")
    if not any(Path(name).exists() for name in args.videos):
        raise VsrError("unreadable", f"{args.videos[0]}: no such file")
    if args.model and not Path(args.model).is_dir():
        raise VsrError("bad_model", f"{args.model}: no such model folder")


def line_of(match) -> str:
    """The line that is printed for a face."""
    where = f"from {match.start:.2f} s" if match.start >= 0 else f"from {-match.start:.2f} s before it"
    verdict = f"speaks this recording, {where}" if match.speaks else "is not shown to speak this recording"
    looks = "" if match.cosine is None else f", looks {match.cosine:.2f}"
    return f"{match.video}: face {match.face} {verdict} (score {match.score:+.1f}{looks})"


def record_of(match) -> dict:
    """A line of --out."""
    return vars(match) | {"speaks": match.speaks}
