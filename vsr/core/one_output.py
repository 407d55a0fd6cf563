"""One output for each input: no two inputs of a run share a file, and none replaces what another of its name left.

Outputs are named after their inputs (a/x.mp4 -> OUT/x.txt), so that inputs of several folders can meet in one file.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vsr.core.artifacts import sha256_of
from vsr.core.errors import WRONG_USAGE, VsrError
from vsr.core.files import ignores_case, write_error


def outputs_of(inputs: Iterable[str], name_of: Callable[[str], str], folder: str | Path) -> dict[str, Path]:
    """Input -> its output in a folder, which need not exist. Raises VsrError bad_options for an input that is given
    twice, and for two with one output."""
    names = [(item, name_of(item)) for item in inputs]
    if pair := shared_file(names, folder):
        first, second = pair
        where = "would be written to the same file: read each with an -o of its own"
        problem = f"{first} is given twice" if first == second else f"{first} and {second} {where}"
        raise VsrError(WRONG_USAGE, problem)
    return {item: Path(folder) / name for item, name in names}


def check_ids(ids: Iterable[str], folder: str | Path) -> None:
    """Refuse clip ids, all different, whose files would be one in a folder. Raises VsrError bad_manifest."""
    if pair := shared_file(((name, name) for name in ids), folder):
        problem = "differ in their case alone, and are one file on this disk: rename one, or choose another --out"
        raise VsrError("bad_manifest", f"the ids {pair[0]} and {pair[1]} {problem}")


def shared_file(names: Iterable[tuple[str, str]], folder: str | Path) -> tuple[str, str] | None:
    """The first two of (input, file name) with one file in a folder; names that differ only in case or in the
    normalisation of Unicode are one file on some disks. Raises VsrError not_writable."""
    taken: dict[str, tuple[str, str]] = {}
    for item, name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in taken and (taken[key][1] == name or _ignores_case(folder)):
            return taken[key][0], item
        taken.setdefault(key, (item, name))
    return None


def _ignores_case(folder: str | Path) -> bool:
    try:
        return ignores_case(folder)
    except OSError as error:
        raise write_error(folder, error) from error


def path_hash(path: str | Path) -> str:
    """Hash of an absolute path, so that an output need not store the path itself."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]


def content_of(path: str | Path) -> dict[str, Any]:
    """Size and SHA-256 of a file. Raises OSError."""
    return {"bytes": Path(path).stat().st_size, "sha256": sha256_of(path)}


def is_of_another(place: str, content: dict | None, path: str | Path) -> bool:
    """Whether an output was made of another input than the file at ``path``: neither from there (``place``: the
    `path_hash` that the output records) nor of the same bytes (``content``: its `content_of`). Raises OSError."""
    return place != path_hash(path) and not (os.path.isfile(path) and content == content_of(path))
