"""`vsr expert`: how well generated faces speak, by a lip reader."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vsr.cli.options import check_present
from vsr.core.errors import VsrError
from vsr.core.file_kinds import FIGURES
from vsr.core.files import check_output

if TYPE_CHECKING:
    import numpy as np

    from vsr.inference.expert import Expert

HELP = "score generated faces against the real video with a lip reader"
ABOUT = """Compares the lips of generated videos with those of the real one in the representations of a
lip reader: 1 - mean cosine of the front end's features (SPECTRE) and of the encoder's
states (EMOTE), and with --text the CTC loss of the true text per token (TalkLip), and what
is read. The first rows give the scale: the real video itself, the same two frames late,
blurred, and frozen. Evaluate a generator with another reader than the one it was trained
with."""
FILES = """reads   the real video, and generated videos of the same speech; a model
writes  a row for each; with --out JSON Lines: file, features, states, text, wer, read"""
FAILS = "a video could not be read; the others are done all the same"
SEE = "vsr sync, vsr score"
EXAMPLE = """vsr expert real.mp4 generated.mp4
vsr expert real.mp4 a.mp4 b.mp4 --text "place blue by m five please" --out scores.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("real", metavar="REAL", help="the real video")
    parser.add_argument("videos", nargs="+", metavar="FAKE", help="generated videos")
    parser.add_argument("--model", default="grid", metavar="MODEL", help="a reader of pixels with CTC (default: grid)")
    parser.add_argument("--text", help="what is said")
    parser.add_argument("--out", metavar="JSONL", help="also write the figures to this file")


def run(args: argparse.Namespace) -> int:
    """0 if every video was scored, else 1. Raises VsrError for what no file could survive."""
    if args.text is not None and not args.text.strip():
        raise VsrError("bad_options", "--text is empty: give what is said, or leave it out")
    if args.out:
        check_output(args.out, args.real, *args.videos, kind=FIGURES)
    check_present([args.real])
    check_present(args.videos)
    from vsr.cli.each_video import over_videos, tell_strange_words
    from vsr.inference.alignment import check_room, tokens_of
    from vsr.inference.expert import Expert, ladder
    from vsr.modelstore.folder import load_model

    expert = Expert(load_model(args.model))
    tokens = tokens_of(expert.loaded, args.text) if args.text else []
    tell_strange_words(expert.loaded.folder, [args.text or ""])
    real = _crop_of(args.real)
    check_room(tokens, len(real), args.real)
    scale = ladder(real)

    def scored(name: str) -> tuple[str, dict]:
        return _score_crop(expert, name, scale[name] if name in scale else _crop_of(name), real, args.text or "")

    return over_videos([*scale, *args.videos], args.out, scored)


def _crop_of(video: str) -> np.ndarray:
    """The mouth (T, 96, 96) of a video, and a line for each thing that must be known of it. Raises VsrError."""
    from vsr.cli.each_video import tell_warnings
    from vsr.face.mouth_crop import crop_video
    from vsr.inference.face_report import face_report_of

    clip = crop_video(video)
    tell_warnings(video, face_report_of(clip).warnings_with("and says nothing there"))
    return clip.crop


def _score_crop(expert: Expert, name: str, crop: np.ndarray, real: np.ndarray, text: str) -> tuple[str, dict]:
    """What is printed and what is written of one crop (T, 96, 96)."""
    from vsr.evaluation.wer import score

    figures = expert.scores(crop, real, text)
    read = expert.read(crop)
    line = f"{name}: " + ", ".join(f"{level} {value:.3f}" for level, value in figures.items())
    if text:
        total, _ = score({"clip": text}, {"clip": read})
        figures |= {"wer": total.wer}
        line += f", WER {total.wer:.0%}"
    return f"{line}, read '{read}'", {"file": name, **figures, "read": read}
