"""What an output may replace: a file of the kind that the verb itself writes, known by what is in it, and no other.

A name alone says nothing: ``-o clip.mp4`` may be somebody's only film. What kinds have in common is here; the rule is
`vsr.core.files.check_output`, which asks them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST = 1 << 26  # bytes of a line or a file of JSON that is looked into


@dataclass(frozen=True)
class Kind:
    """``name``: what a verb writes, for a message; ``holds``: whether a file is such a one (may raise OSError)."""

    name: str
    holds: Callable[[Path], bool]


def json_of(name: str, *keys: str) -> Kind:
    """A JSON object with those keys."""
    return Kind(name, lambda path: _has(_begin(path, whole=True), keys))


def lines_of(name: str, *keys: str, without: str = "") -> Kind:
    """JSON Lines whose first has those keys, and not the key ``without``."""

    def holds(path: Path) -> bool:
        first = _begin(path)
        return _has(first, keys) and not (without and _has(first, (without,)))

    return Kind(name, holds)


def text_of(name: str, *begins: str) -> Kind:
    """A text that begins in one of those ways."""

    def holds(path: Path) -> bool:
        with path.open("rb") as stream:
            return stream.read(max(map(len, begins))).startswith(tuple(map(str.encode, begins)))

    return Kind(name, holds)


def marked(name: str, mark: bytes) -> Kind:
    """A file in which a mark stands, wherever that is."""

    def holds(path: Path) -> bool:
        with path.open("rb") as stream:
            tail = b""
            while piece := stream.read(1 << 20):
                if mark in tail + piece:
                    return True
                tail = piece[-len(mark) :]
        return False

    return Kind(name, holds)


HYPOTHESES = lines_of("a list of hypotheses", "id", "text", without="video")
FIGURES = lines_of("a list of figures of videos", "file")


def _begin(path: Path, whole: bool = False):
    """The JSON value of a file's first line, or of all of it; None where there is none."""
    with path.open("rb") as stream:
        if stream.read(64).lstrip()[:1] != b"{":  # a film is not searched for the end of its first line
            return None
        stream.seek(0)
        text = stream.read(LONGEST) if whole else stream.readline(LONGEST)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _has(value, keys: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and value.keys() >= set(keys)
