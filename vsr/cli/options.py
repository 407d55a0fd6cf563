"""Options that verbs of both commands share; imports nothing heavy."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.inference.executors import ENGINES
from vsr.media.formats import message_about_name, no_file

READER = "grid-tracks"  # the first of `vsr.modelstore.folder.NAMES`, which is not imported for the sake of a help page


def add_model_argument(parser) -> None:
    """--model of a verb that reads with what ships where it is not given."""
    parser.add_argument("--model", metavar="MODEL", help=f"name of vsr models, folder or org/name (default: {READER})")


def add_faces_argument(parser) -> None:
    """--faces: whose lips are read or voiced, as `vsr.face.speaker_selection.number_of_faces` takes it."""
    parser.add_argument(
        "--faces", type=_faces, default="largest", metavar="WHO",
        help="largest, all, or how many of the largest in each shot (default: largest)",
    )  # fmt: skip


def unused_of_crops(args: argparse.Namespace) -> dict[str, str]:
    """--faces of a verb that is given mouth crops, which show one face each."""
    return {"faces": "whole videos, not with --cropped"} if args.cropped else {}


def _faces(text: str) -> str | int:
    return text if text in ("largest", "all") else positive(text)


def positive(text: str) -> int:
    """The type of an option that is a whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def add_engine_arguments(parser) -> None:
    """--jobs, --engine and --address of a verb."""
    group = parser.add_argument_group("machines")
    group.add_argument(
        "--jobs", type=positive, metavar="N",
        help="processes (default: one per core, if files and memory allow)",
    )  # fmt: skip
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="where the work runs: this machine or a Ray cluster (default: local)",
    )
    group.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: the one of this machine)")


def check_present(videos: Sequence[str]) -> None:
    """Refuse a call none of whose files can be read, before anything heavy is loaded. Raises VsrError unreadable."""
    if not any(os.access(video, os.R_OK) for video in videos):
        others = f", nor any of the {len(videos) - 1} others" if len(videos) > 1 else ""
        raise VsrError("unreadable", f"{no_file(videos[0])}{'' if message_about_name(videos[0]) else others}")


def files_of_model(name: str | None) -> list[str]:
    """The files of a model that is named by its folder, which no output may replace."""
    folder = Path(name or "")
    return [str(path) for path in folder.iterdir() if path.is_file()] if name and folder.is_dir() else []
