"""Checks whether a file is as long as its structure requires, which FFmpeg does not do."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from vsr.media.chains import CHAINS, broken_at, variable

UNKNOWN = 0xFFFF_FF00  # bytes: this length or more is stated by a RIFF file that was written to a pipe


def is_whole(path: str | Path, kind: str) -> bool:
    """Whether a file is as long as its structure requires; False if that cannot be determined."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            if kind in CHAINS and broken_at(path, kind) is not None:
                return False
            if kind == "matroska":
                return 0 < segment_end(file) <= size
            if kind == "avi":
                return _riff_end(file, size) <= size
            return kind.endswith("flv") and _ends_in_a_tag(file, size)
        except (OSError, struct.error, IndexError):
            return False


def is_broken(path: str | Path, kind: str) -> bool:
    """Whether a file's structure shows that its end or a part is missing; False if that cannot be determined.

    In AVI, Matroska and FLV files each part must begin where the previous one ends; overwritten frames, as from a
    failing disk, break that chain.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            ends = {"matroska": segment_end, "avi": _riff_end, "wav": _riff_end, "mov": _boxes_end}
            is_truncated = kind in ends and ends[kind](file, size) > size
        except (OSError, struct.error, IndexError):
            is_truncated = False
        return is_truncated or kind in CHAINS and broken_at(path, kind) is not None


def _boxes_end(file, size: int) -> int:
    """Position at which the last box of a MOV or MP4 file ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:  # 0: up to the end of the file
            return size if length == 0 and name.isalnum() else 0
        end += length
    return end


def segment_end(file, size: int = 0) -> int:
    """Position at which the segment of a Matroska file ends; 0 if its length is marked as unknown."""
    file.seek(4)  # after the ID of the EBML header
    file.seek(variable(file)[0], os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, unknown = variable(file)
    return 0 if unknown else file.tell() + length


def _riff_end(file, size: int) -> int:
    """Position at which the last RIFF chunk of an AVI file ends: long files have several."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length >= UNKNOWN:
            break
        end += 8 + length + length % 2
    return end


def part_of_riff(path: str | Path) -> float:
    """Ratio of the stated length of a RIFF file to its real one; 1 if it is not longer or not known. Raises OSError."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        end = _riff_end(file, size)
    return max(1.0, end / size)


def _ends_in_a_tag(file, size: int) -> bool:
    """Whether the last four bytes of an FLV file are the length of the tag before them."""
    file.seek(size - 4)
    (length,) = struct.unpack(">I", file.read(4))
    file.seek(size - 4 - length)
    head = file.read(4)
    return length > 11 and head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:], "big") + 11 == length
