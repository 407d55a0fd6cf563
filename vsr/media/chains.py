"""Whether the parts of a file follow one another without a gap, from their heads alone: nothing is decoded.

A container is a chain: each part says how long it is, and the next begins there. Where frames have been overwritten or
cut out the next head is none, and FFmpeg looks for another one further on without a word.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

LISTS = (b"RIFF", b"LIST")  # parts of an AVI file that hold parts
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675  # parts of a Matroska file that hold parts
IN_SEGMENT = {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, CLUSTER}
IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, *IN_SEGMENT}  # one of unknown length ends with the next part
ANYWHERE = {0xEC, 0xBF, 0x1A45DFA3, SEGMENT}  # void, checksum; another file put behind
TAGS = (8, 9, 18)  # of FLV: sound, video, script


def broken_at(path: str | Path, kind: str) -> int | None:
    """The byte at which the parts of a file cease to follow one another, None where they lead to its end. ``kind``: one
    of `CHAINS`. Raises OSError."""
    about = os.stat(path)
    return _broken_at(os.path.abspath(path), kind, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=8)
def _broken_at(path: str, kind: str, size: int, _changed: int) -> int | None:
    """The same; parts of one long file are read again and again."""
    latest: deque[int] = deque([0], maxlen=1)
    with open(path, "rb") as file:
        try:
            latest.extend(CHAINS[kind](file, size))
        except (_Broken, struct.error, IndexError):  # the last two: the head of the last part is cut
            return latest[0]
    return None


class _Broken(Exception):
    """The next part is none."""


def _riff(file, size: int) -> Iterator[int]:
    """Chunks have names of four characters; those of lists are inside."""
    at = 0
    while at + 8 <= size:
        yield at
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if not name.isascii() or not name.decode().isprintable():
            raise _Broken
        at += 12 if name in LISTS else 8 + length + length % 2
    if at > size + 1:  # the last byte may be a filler that is left out
        raise _Broken


def _matroska(file, size: int) -> Iterator[int]:
    """Elements of EBML; those of segments and clusters are inside."""
    at, known = 0, ANYWHERE
    while at < size:
        yield at
        file.seek(at)
        name = _name(file)
        length, unknown = variable(file)
        if name not in known | ANYWHERE:
            raise _Broken
        known = IN_SEGMENT if name == SEGMENT else IN_CLUSTER if name == CLUSTER else known
        at = file.tell() + (0 if name in (SEGMENT, CLUSTER) or unknown else length)
    if at != size:
        raise _Broken


def _name(file) -> int:
    """The name of an element; 0 for none."""
    first = file.read(1)[0]
    more = 8 - first.bit_length()
    return int.from_bytes(bytes([first]) + file.read(more), "big") if more < 4 else 0


def variable(file) -> tuple[int, bool]:
    """(a length of EBML, whether it says that the length is unknown)."""
    first = file.read(1)[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (1 << max(0, 7 - more)) - 1]) + file.read(more), "big")
    return value, value == (1 << 7 * (more + 1)) - 1


def _flv(file, size: int) -> Iterator[int]:
    """Tags, with the length of each behind it."""
    file.seek(5)
    at = struct.unpack(">I", file.read(4))[0] + 4
    while at + 15 <= size:
        yield at
        file.seek(at)
        head = file.read(4)
        if head[0] & 0x1F not in TAGS:
            raise _Broken
        at += 15 + int.from_bytes(head[1:], "big")
    if at > size:
        raise _Broken


CHAINS = {"avi": _riff, "matroska": _matroska, "flv": _flv, "live_flv": _flv}
