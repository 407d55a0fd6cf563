"""Checks every video of a corpus once, by its header and first frame, before hours are spent on it.

Cropping reads every frame and takes hours for a large corpus. This takes milliseconds per file and finds what would
stop or spoil a run: files that are missing or not videos, parts and words outside their video, transcripts without
words. Decoding, which finds damage, is optional.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.pool import in_processes
from vsr.data.manifest import Clip, read_manifest
from vsr.text.normalise import lower

SLACK = 1.0  # seconds by which a part or a word may exceed the end in the header


@dataclass(frozen=True)
class VideoHeader:
    """The header of a video, or why it cannot be read; its frames last from second start to end."""

    start: float = 0.0
    end: float = 0.0
    fps: float = 0.0
    size: str = ""
    reason: str = ""
    message: str = ""


@dataclass
class Findings:
    """Results for one list. refused: clip id -> (reason, message); sizes, rates: of the videos of the other clips."""

    clips: int = 0
    hours: float = 0.0
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    sizes: Counter = field(default_factory=Counter)
    rates: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = Counter(reason for reason, _ in self.refused.values())
        note = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "none"
        size, rate = _most_frequent(self.sizes), _most_frequent(self.rates)
        return f"{self.clips:,} clips, {self.hours:.2f} h, {size}, {rate} fps, refused: {note}"


def _most_frequent(counts: Counter) -> str:
    """The most frequent value, and how many others there are."""
    (value, _), *others = counts.most_common() or [("?", 0)]
    return f"{value} (and {len(others)} others)" if others else str(value)


def validate(manifests: Iterable[str | Path], jobs: int = 1, decode: bool = False) -> dict[str, Findings]:
    """Findings by manifest; ``decode``: also decode all frames and sound, which finds damaged files.

    Raises VsrError for a manifest that cannot be read.
    """
    lists = {str(path): read_manifest(path) for path in manifests}
    videos = sorted({clip.video for clips in lists.values() for clip in clips})
    seen = dict(zip(videos, _read_headers(videos, jobs, decode), strict=True))
    return {name: _findings(clips, seen) for name, clips in lists.items()}


def _read_headers(videos: list[str], jobs: int, decode: bool) -> list[VideoHeader]:
    look = _decode_all if decode else _read_header
    if jobs == 1:
        return [look(video) for video in videos]
    return list(in_processes(look, videos, jobs, _crashed))


def _crashed(video: str) -> VideoHeader:
    return VideoHeader(reason="unreadable", message=f"{video}: crashes the video decoder")


def _read_header(video: str) -> VideoHeader:
    from vsr.media.reader import probe

    try:
        info = probe(video)
    except VsrError as error:
        return VideoHeader(reason=error.reason, message=str(error))
    return VideoHeader(info.start, info.end, round(info.fps, 2), f"{info.width}x{info.height}")


def _decode_all(video: str) -> VideoHeader:
    """Like `_read_header`, and decode the whole video."""
    from vsr.media.decoding_check import check_sound, check_video

    header = _read_header(video)
    try:
        if not header.reason:
            check_video(video)
            check_sound(video)
    except VsrError as error:
        return VideoHeader(reason=error.reason, message=str(error))
    return header


def _findings(clips: list[Clip], headers: dict[str, VideoHeader]) -> Findings:
    """The clips of one list that are refused, and the duration of the others."""
    findings = Findings(clips=len(clips))
    for clip in clips:
        video = headers[clip.video]
        seconds = (clip.end or video.end) - clip.start
        fault = (video.reason, video.message) if video.reason else _fault(clip, video, seconds)
        if fault:
            findings.refused[clip.id] = fault
            continue
        findings.hours += (min(clip.end or video.end, video.end) - max(clip.start, video.start)) / 3600
        findings.sizes[video.size] += 1
        findings.rates[f"{video.fps:g}"] += 1
    return findings


def _fault(clip: Clip, video: VideoHeader, seconds: float) -> tuple[str, str] | None:
    """(reason, message) for a clip whose video can be read; None if nothing is wrong."""
    late = clip.start >= video.end - 1 / FPS or clip.end > video.end + SLACK
    if late or 0 < clip.end <= video.start + 1 / FPS:
        lasts = f"lasts {video.end:.2f} s" if late else f"shows nothing before {video.start:.2f} s"
        part = f"from {clip.start:.2f} s to {clip.end:.2f} s"
        return "part_outside", f"{clip.video}: {lasts}, {clip.id} is the part {part}"
    last = max((end for _, _, end in clip.words), default=0.0)
    if last > seconds + SLACK:
        return "words_outside", f"{clip.id}: lasts {seconds:.2f} s, its last word ends at {last:.2f} s"
    for (before, earlier, _), (word, start, _) in pairwise(clip.words):
        if start < earlier:
            note = f"'{word}' begins at {start:.2f} s, before '{before}' at {earlier:.2f} s"
            return "words_backward", f"{clip.id}: {note}"
    if not lower(clip.text):
        return "no_words", f"{clip.id}: its transcript has no words"
    return None
