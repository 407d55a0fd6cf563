"""Checks that the parts of a file follow one another without gaps, from their headers and without decoding.

A container is a chain: each part states its length, and the next begins at its end. Where frames are overwritten or
cut out there is no valid header, and FFmpeg silently searches for another one further on.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

LISTS = (b"RIFF", b"LIST")  # parts of an AVI file that contain parts
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675  # parts of a Matroska file that contain parts
IN_SEGMENT = {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, CLUSTER}
IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, *IN_SEGMENT}  # one of unknown length ends with the next part
ANYWHERE = {0xEC, 0xBF, 0x1A45DFA3, SEGMENT}  # void, checksum; the start of a concatenated file
TAGS = (8, 9, 18)  # of FLV: sound, video, script


def broken_at(path: str | Path, kind: str) -> int | None:
    """The byte at which the chain of a file's parts breaks, None if it leads to the end. ``kind``: one of `CHAINS`.
    Raises OSError."""
    status = os.stat(path)
    return _broken_at(os.path.abspath(path), kind, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _broken_at(path: str, kind: str, size: int, _changed: int) -> int | None:
    """`broken_at`, cached because the parts of a long file are read repeatedly."""
    latest: deque[int] = deque([0], maxlen=1)
    with open(path, "rb") as file:
        try:
            latest.extend(CHAINS[kind](file, size))
        except (_Broken, struct.error, IndexError):  # the last two: truncated header of the last part
            return latest[0]
    return None


class _Broken(Exception):
    """There is no valid header at the expected position."""


def _riff(file, size: int) -> Iterator[int]:
    """Positions of the chunks of a RIFF file, which have names of four characters; lists contain chunks."""
    position = 0
    while position + 8 <= size:
        yield position
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if not name.isascii() or not name.decode().isprintable():
            raise _Broken
        position += 12 if name in LISTS else 8 + length + length % 2
    if position > size + 1:  # the padding byte at the end may be missing
        raise _Broken


def _matroska(file, size: int) -> Iterator[int]:
    """Positions of the EBML elements of a Matroska file; segments and clusters contain elements."""
    position, allowed = 0, ANYWHERE
    while position < size:
        yield position
        file.seek(position)
        name = _name(file)
        length, unknown = variable(file)
        if name not in allowed | ANYWHERE:
            raise _Broken
        allowed = IN_SEGMENT if name == SEGMENT else IN_CLUSTER if name == CLUSTER else allowed
        position = file.tell() + (0 if name in (SEGMENT, CLUSTER) or unknown else length)
    if position != size:
        raise _Broken


def _name(file) -> int:
    """The ID of an element; 0 if it is invalid."""
    first = file.read(1)[0]
    extra = 8 - first.bit_length()
    return int.from_bytes(bytes([first]) + file.read(extra), "big") if extra < 4 else 0


def variable(file) -> tuple[int, bool]:
    """(length of an EBML element, whether it is marked as unknown)."""
    first = file.read(1)[0]
    extra = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (1 << max(0, 7 - extra)) - 1]) + file.read(extra), "big")
    return value, value == (1 << 7 * (extra + 1)) - 1


def _flv(file, size: int) -> Iterator[int]:
    """Positions of the tags of an FLV file, each of which is followed by its length."""
    file.seek(5)
    position = struct.unpack(">I", file.read(4))[0] + 4
    while position + 15 <= size:
        yield position
        file.seek(position)
        head = file.read(4)
        if head[0] & 0x1F not in TAGS:
            raise _Broken
        position += 15 + int.from_bytes(head[1:], "big")
    if position > size:
        raise _Broken


CHAINS = {"avi": _riff, "matroska": _matroska, "flv": _flv, "live_flv": _flv}
