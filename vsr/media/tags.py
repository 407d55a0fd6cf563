"""Comments in the metadata of written files: RIFF's INFO list, and the comment field of video containers."""

from __future__ import annotations

import struct
from pathlib import Path

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.file_kinds import FileKind

COMMENT = "comment"  # FFmpeg's name of the field
UNKNOWN = b"\xff" * 4  # stands for an unknown length


def riff_comment(riff: bytes, comment: str) -> bytes:
    """Append a comment (ICMT) to a RIFF file, in an INFO list, which players without support for it skip."""
    info = _info(comment)
    return b"RIFF" + struct.pack("<I", len(riff) - 8 + len(info)) + riff[8:] + info


def endless_riff(comment: str, rate: int = SAMPLE_RATE) -> bytes:
    """The header of a RIFF stream of 16-bit mono samples of unknown length, with a comment."""
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    head = b"RIFF" + UNKNOWN + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + _info(comment) + b"data" + UNKNOWN


def commented_kind(name: str, comment: str) -> FileKind:
    """The kind of recordings whose metadata contain that comment, which identifies videos written by us."""

    def holds(path: Path) -> bool:
        from vsr.media.container import open_container

        try:
            with open_container(path) as container:
                metadata = {key.lower(): value for key, value in container.metadata.items()}
                return metadata.get(COMMENT) == comment
        except VsrError:
            return False

    return FileKind(name, holds)


def _info(comment: str) -> bytes:
    """An INFO list with a comment."""
    text = comment.encode("utf-8") + b"\0"
    chunk = b"ICMT" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    return b"LIST" + struct.pack("<I", 4 + len(chunk)) + b"INFO" + chunk
