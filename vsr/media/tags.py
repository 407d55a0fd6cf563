"""A comment in the metadata of what is written: RIFF's INFO list; containers of videos have a field for it."""

from __future__ import annotations

import struct
from pathlib import Path

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.kinds import Kind

COMMENT = "comment"  # FFmpeg's name of the field
UNKNOWN = b"\xff" * 4  # a length


def riff_comment(riff: bytes, comment: str) -> bytes:
    """A whole RIFF file with a comment (ICMT) in an INFO list at its end, which players that know none pass over."""
    info = _info(comment)
    return b"RIFF" + struct.pack("<I", len(riff) - 8 + len(info)) + riff[8:] + info


def endless_riff(comment: str, rate: int = SAMPLE_RATE) -> bytes:
    """The head of a RIFF stream of 16-bit mono samples whose length nobody knows yet, with a comment."""
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    head = b"RIFF" + UNKNOWN + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + _info(comment) + b"data" + UNKNOWN


def commented(name: str, comment: str) -> Kind:
    """A recording whose metadata have that comment: what is known of a film is that we made it, or nothing."""

    def holds(path: Path) -> bool:
        from vsr.media.container import open_container

        try:
            with open_container(path) as container:
                found = {key.lower(): value for key, value in container.metadata.items()}
                return found.get(COMMENT) == comment
        except VsrError:
            return False

    return Kind(name, holds)


def _info(comment: str) -> bytes:
    """The INFO list with a comment."""
    text = comment.encode("utf-8") + b"\0"
    chunk = b"ICMT" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    return b"LIST" + struct.pack("<I", 4 + len(chunk)) + b"INFO" + chunk
