"""Decodes the sound of a part of a recording, without decoding all before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vsr.media.container import decoded_frames
from vsr.media.seeking import RUN_UP, has_index, rewind, seek_before
from vsr.media.streams import video_stream


@dataclass(frozen=True)
class Span:
    """A part of the sound. origin: time stamp of second 0; begin, end: seconds."""

    origin: float
    begin: float
    end: float


def frames_of_span(path: str | Path, container, stream, span: Span) -> Iterator:
    """Decoded frames of a sound stream: those of a part and some around it if the container has an index, else all."""
    if not has_index(path, container):
        yield from decoded_frames(container, stream)
        return
    for frame in _from_begin(path, container, stream, span):
        if frame.time is not None and frame.time - span.origin > span.end + RUN_UP:
            return
        yield frame


def _from_begin(path: str | Path, container, stream, span: Span) -> Iterator:
    """Decoded frames from before the part on; from the start of the file if the index led beyond it."""
    leading = video_stream(container) or stream  # use the video's index: Matroska has no other
    jumped = seek_before(path, container, leading, span.origin, span.begin)
    frames = decoded_frames(container, stream)
    first = next(frames, None)
    if jumped and (first is None or first.time is None or first.time - span.origin > span.begin - RUN_UP / 2):
        rewind(container)
        return decoded_frames(container, stream)
    return chain([] if first is None else [first], frames)
