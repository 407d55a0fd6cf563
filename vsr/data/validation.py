"""Checks every video of a corpus once, by its header and first frame, before hours are spent on it.

Cropping reads every frame and takes hours for a large corpus; this takes milliseconds a file and finds what would stop
or spoil a run: files that are absent or no videos, parts and words outside their video, transcripts without words.
Decoding, which finds damage, is asked for.
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

SLACK = 1.0  # seconds by which a part or a word may reach beyond the announced end


@dataclass(frozen=True)
class Seen:
    """What the header of a video says, or why it cannot be read; its frames last from second start to end."""

    start: float = 0.0
    end: float = 0.0
    fps: float = 0.0
    size: str = ""
    reason: str = ""
    message: str = ""


@dataclass
class Findings:
    """Of one list. refused: clip id -> (reason, message); sizes, rates: of the videos of the other clips."""

    clips: int = 0
    hours: float = 0.0
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    sizes: Counter = field(default_factory=Counter)
    rates: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = Counter(reason for reason, _ in self.refused.values())
        note = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "none"
        return (
            f"{self.clips:,} clips, {self.hours:.2f} h, {_most(self.sizes)}, {_most(self.rates)} fps, refused: {note}"
        )


def _most(counts: Counter) -> str:
    """The most frequent value, and how many others there are."""
    (value, _), *others = counts.most_common() or [("?", 0)]
    return f"{value} (and {len(others)} others)" if others else str(value)


def validate(manifests: Iterable[str | Path], jobs: int = 1, decode: bool = False) -> dict[str, Findings]:
    """Findings by manifest; ``decode``: all frames and sound are decoded, too, which finds damaged files.

    Raises VsrError for a manifest that cannot be read.
    """
    lists = {str(path): read_manifest(path) for path in manifests}
    videos = sorted({clip.video for clips in lists.values() for clip in clips})
    seen = dict(zip(videos, _look_at_all(videos, jobs, decode), strict=True))
    return {name: _findings(clips, seen) for name, clips in lists.items()}


def _look_at_all(videos: list[str], jobs: int, decode: bool) -> list[Seen]:
    look = _look_through if decode else _look
    if jobs == 1:
        return [look(video) for video in videos]
    return list(in_processes(look, videos, jobs, _crashed))


def _crashed(video: str) -> Seen:
    return Seen(reason="unreadable", message=f"{video}: crashes the video decoder")


def _look(video: str) -> Seen:
    from vsr.media.reader import probe

    try:
        info = probe(video)
    except VsrError as error:
        return Seen(reason=error.reason, message=str(error))
    return Seen(info.start, info.end, round(info.fps, 2), f"{info.width}x{info.height}")


def _look_through(video: str) -> Seen:
    """The same, and whether all of it can be decoded."""
    from vsr.media.wholeness import check_sound, check_video

    found = _look(video)
    try:
        if not found.reason:
            check_video(video)
            check_sound(video)
    except VsrError as error:
        return Seen(reason=error.reason, message=str(error))
    return found


def _findings(clips: list[Clip], seen: dict[str, Seen]) -> Findings:
    """What is wrong with the clips of one list, and how long the others are."""
    found = Findings(clips=len(clips))
    for clip in clips:
        video = seen[clip.video]
        seconds = (clip.end or video.end) - clip.start
        fault = (video.reason, video.message) if video.reason else _fault(clip, video, seconds)
        if fault:
            found.refused[clip.id] = fault
            continue
        found.hours += (min(clip.end or video.end, video.end) - max(clip.start, video.start)) / 3600
        found.sizes[video.size] += 1
        found.rates[f"{video.fps:g}"] += 1
    return found


def _fault(clip: Clip, video: Seen, seconds: float) -> tuple[str, str] | None:
    """(reason, message) of a clip whose video can be read."""
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
