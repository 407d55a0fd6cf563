"""A comment in the metadata of what is written: RIFF's INFO list; containers of videos have a field for it."""

from __future__ import annotations

import struct

COMMENT = "comment"  # FFmpeg's name of the field


def riff_comment(riff: bytes, comment: str) -> bytes:
    """A whole RIFF file with a comment (ICMT) in an INFO list at its end, which players that know none pass over."""
    text = comment.encode("utf-8") + b"\0"
    chunk = b"ICMT" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    info = b"LIST" + struct.pack("<I", 4 + len(chunk)) + b"INFO" + chunk
    return b"RIFF" + struct.pack("<I", len(riff) - 8 + len(info)) + riff[8:] + info
