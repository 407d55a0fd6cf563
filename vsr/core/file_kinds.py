"""Kinds of files, recognised by their content: an output may replace only a file of the kind that it writes.

A name alone says nothing: ``-o clip.mp4`` may be somebody's only film. Here is what kinds have in common;
`vsr.core.files.check_output` enforces the rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST = 1 << 26  # greatest number of bytes read of a line or of a JSON file


@dataclass(frozen=True)
class FileKind:
    """``name``: the kind of file, for messages; ``holds``: whether a file is of this kind (may raise OSError)."""

    name: str
    holds: Callable[[Path], bool]


def json_kind(name: str, *keys: str) -> FileKind:
    """A JSON object with these keys."""
    return FileKind(name, lambda path: _has(_first_json(path, whole_file=True), keys))


def json_lines_kind(name: str, *keys: str, absent_key: str = "") -> FileKind:
    """JSON Lines whose first object has these keys, and not the key ``absent_key``."""

    def holds(path: Path) -> bool:
        first = _first_json(path)
        return _has(first, keys) and not (absent_key and _has(first, (absent_key,)))

    return FileKind(name, holds)


def text_kind(name: str, *prefixes: str) -> FileKind:
    """A text that begins with one of these strings."""

    def holds(path: Path) -> bool:
        with path.open("rb") as stream:
            return stream.read(max(map(len, prefixes))).startswith(tuple(map(str.encode, prefixes)))

    return FileKind(name, holds)


def marked_kind(name: str, mark: bytes) -> FileKind:
    """A file that contains a mark anywhere."""

    def holds(path: Path) -> bool:
        with path.open("rb") as stream:
            tail = b""
            while chunk := stream.read(1 << 20):
                if mark in tail + chunk:
                    return True
                tail = chunk[-len(mark) :]
        return False

    return FileKind(name, holds)


HYPOTHESES = json_lines_kind("a list of hypotheses", "id", "text", absent_key="video")
FIGURES = json_lines_kind("a list of figures of videos", "file")


def _first_json(path: Path, whole_file: bool = False):
    """The JSON value of a file's first line, or of the whole file; None if it is not JSON."""
    with path.open("rb") as stream:
        if stream.read(64).lstrip()[:1] != b"{":  # do not search a film for the end of its first line
            return None
        stream.seek(0)
        text = stream.read(LONGEST) if whole_file else stream.readline(LONGEST)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _has(value, keys: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and value.keys() >= set(keys)
