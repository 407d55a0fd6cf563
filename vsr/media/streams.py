"""Chooses the video and audio stream of a recording with several, as players do.

A recording of a call contains the screen and the face, a disc several languages, a download its poster. Of video
streams a moving one is preferred, then the file's default, then the largest; of audio streams the default.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

Again = Callable[[], AbstractContextManager]  # opens the same recording once more
LOOK = 500  # packets that are examined to distinguish a video from a still image


def video_streams(container) -> list:
    """The video streams that are recordings, without cover art and thumbnails."""
    from av.stream import Disposition

    excluded = Disposition.attached_pic | Disposition.timed_thumbnails
    return [s for s in container.streams.video if s.codec_context is not None and not s.disposition & excluded]


def video_stream(container, again: Again | None = None):
    """The video stream to read, None if there is none; `again` opens the recording once more, to examine packets where
    streams do not state their number of frames."""
    streams = video_streams(container)
    if len(streams) < 2:
        return streams[0] if streams else None
    moving = _moving(streams, again)
    return max(streams, key=lambda stream: (stream.index in moving, *_rank(stream)))


def _rank(stream) -> tuple[bool, int, int]:
    """Sort key: default before others, then the largest, then the first."""
    from av.stream import Disposition

    size = stream.codec_context.width * stream.codec_context.height
    return bool(stream.disposition & Disposition.default), size, -stream.index


def _moving(streams: list, again: Again | None) -> set[int]:
    """Indices of the streams that have more than one frame."""
    from av.stream import Disposition

    streams = [stream for stream in streams if not stream.disposition & Disposition.still_image]
    if again is None or all(stream.frames for stream in streams):
        return {stream.index for stream in streams if stream.frames != 1}
    return _seen_to_move(again, [stream.index for stream in streams])


def _seen_to_move(again: Again, indices: list[int]) -> set[int]:
    """The streams that have more than one packet at the beginning of the recording."""
    import av

    counts: Counter[int] = Counter()
    with again() as container:
        packets = container.demux([container.streams[index] for index in indices])
        while min(counts[index] for index in indices) < 2 and counts.total() < LOOK:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError, OSError):
                break
            counts[packet.stream.index] += packet.size > 0
    return {index for index in indices if counts[index] > 1}


def sound_stream(container):
    """The audio stream to read, None if none can be decoded."""
    from av.stream import Disposition

    secondary = Disposition.comment | Disposition.visual_impaired | Disposition.descriptions | Disposition.clean_effects
    streams = [s for s in container.streams.audio if s.codec_context and s.codec_context.sample_rate]

    def rank(stream) -> tuple[bool, bool, int]:
        return bool(stream.disposition & Disposition.default), not stream.disposition & secondary, -stream.index

    return max(streams, key=rank, default=None)


def chosen_among(container, stream) -> dict | None:
    """Description of the chosen video stream for a transcript; None if it is the only one."""
    from av.stream import Disposition

    count, context = len(video_streams(container)), stream.codec_context
    if count < 2:
        return None
    marked = bool(stream.disposition & Disposition.default)
    return {"index": stream.index, "of": count, "default": marked, "size": [context.width, context.height]}


def tell_choice(program: str, path: str | Path, chosen: dict | None) -> None:
    """Report on stderr which video stream of a file was read, if it has several."""
    if chosen:
        (width, height), marked = chosen["size"], ", its default" if chosen["default"] else ""
        message = f"of its {chosen['of']} videos stream {chosen['index']} was read ({width}x{height}{marked})"
        print(f"{program}: {path}: {message}", file=sys.stderr)
