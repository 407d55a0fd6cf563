"""Whether a file is as long as its own structure wants it: what FFmpeg does not check."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from vsr.media.chains import CHAINS, broken_at, variable

UNKNOWN = 0xFFFF_FF00  # bytes: what a RIFF file that was written into a pipe says, or more


def is_whole(path: str | Path, kind: str) -> bool:
    """Whether a file is as long as its own structure wants it; False where that cannot be known."""
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
    """Whether a file's structure shows that its end, or something in it, is missing; False where that cannot be known.

    Of an AVI, Matroska or FLV file each part has to begin where the one before ends; frames that are overwritten, as by
    a disk that failed, break that chain.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            ends = {"matroska": segment_end, "avi": _riff_end, "wav": _riff_end, "mov": _boxes_end}
            cut = kind in ends and ends[kind](file, size) > size
        except (OSError, struct.error, IndexError):
            cut = False
        return cut or kind in CHAINS and broken_at(path, kind) is not None


def _boxes_end(file, size: int) -> int:
    """Where the last box of a MOV or MP4 file ends."""
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
    """Where the segment of a Matroska file ends; 0 where that was not known when it was begun."""
    file.seek(4)  # behind the name of the EBML header
    file.seek(variable(file)[0], os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, unknown = variable(file)
    return 0 if unknown else file.tell() + length


def _riff_end(file, size: int) -> int:
    """Where the last of the RIFF chunks of an AVI file ends: long ones have several."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length >= UNKNOWN:
            break
        end += 8 + length + length % 2
    return end


def part_of_riff(path: str | Path) -> float:
    """How many times as long as it is a RIFF file is by its own length; 1 where it does not know. Raises OSError."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        end = _riff_end(file, size)
    return max(1.0, end / size)


def _ends_in_a_tag(file, size: int) -> bool:
    """Whether the last four bytes of a FLV file give the length of the tag before them."""
    file.seek(size - 4)
    (length,) = struct.unpack(">I", file.read(4))
    file.seek(size - 4 - length)
    head = file.read(4)
    return length > 11 and head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:], "big") + 11 == length
