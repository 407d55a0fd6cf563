"""How a video stream can go into a container, tried with its first frames before any work: copied, encoded again, or
not.

What is written is read back: a container that loses frames, their times, rotation or shape does not hold them.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.media.container import decoded_frames, open_container, opened, short_reason, video_clock
from vsr.media.mux.copied import can_be_copied, copied
from vsr.media.mux.encoded import encoded
from vsr.media.mux.listing import Listing, listed
from vsr.media.mux.sound import SoundTrack
from vsr.media.tags import COMMENT

LOOKED_AT = 16  # frames that are compared
REHEARSED = 48  # packets that are written from the first shown frame on
LATE = 0.006  # seconds by which a frame may be moved: some containers count milliseconds
DISTORTED = 0.02  # of its width by its height
OTHERS = (".mkv", ".mp4", ".mov", ".ts")  # that are tried where one does not hold a video


class NotHeld(Exception):
    """A container does not hold a video stream, and why."""


@dataclass(frozen=True)
class Plan:
    """How the stream of a video goes into a container.

    listing: of its packets; start: time stamp of the first frame shown; again: why it is encoded again, "" where it
    is copied.
    """

    video: Path
    listing: Listing
    start: float
    again: str = ""

    def write(self, out: Path, wave: np.ndarray, packets: int | None = None, comment: str = "") -> None:
        """Write the video stream, or of it so many packets, with its sound (S,) at 16 kHz.

        Raises av.error.FFmpegError, ValueError.
        """
        import av

        with opened(self.video) as (source, video), av.open(str(out), "w") as target:
            timed = (
                encoded(source, video, target, self.listing.step)
                if self.again
                else copied(source, video, target, self.listing, self.start)
            )
            if comment:
                target.metadata[COMMENT] = comment
            timed = islice(timed, packets)
            first = next(timed, None)  # adds the video stream, which is to be the first
            sound = SoundTrack(target, wave)
            for packet, seconds in chain([first], timed) if first else ():
                sound.write(seconds)
                target.mux(packet)
            sound.finish()


def planned(video: str | Path, out: str | Path) -> Plan:
    """How the stream of ``video`` goes into ``out``. Raises VsrError unreadable, where that cannot hold it."""
    plan = Plan(Path(video), listed(video), sum(video_clock(video)))
    try:
        return _plan_for(plan, Path(out).suffix)
    except NotHeld as problem:
        others = (other for other in OTHERS if other != Path(out).suffix.lower() and _holds(plan, other))
        advice = f"try {other}" if (other := next(others, "")) else "write .wav, the sound alone"
        raise not_held(video, out, f"{problem}", advice) from problem


def not_held(video: str | Path, out: str | Path, problem: str, advice: str) -> VsrError:
    """The error of a container that does not hold a video."""
    return VsrError("unreadable", f"{out}: cannot hold the video of {video} ({problem}): {advice}")


def _holds(plan: Plan, suffix: str) -> bool:
    try:
        return bool(_plan_for(plan, suffix))
    except NotHeld:
        return False


def _plan_for(plan: Plan, suffix: str) -> Plan:
    """The first plan that works. Raises `NotHeld`."""
    with tempfile.TemporaryDirectory(prefix="lip2speech-mux.") as folder:
        place = Path(folder) / f"rehearsal{suffix}"
        lost = _lost_by_copying(plan, place)
        if not lost:
            return plan
        again = replace(plan, again=lost)
        problem = _rehearsed(again, place)
        if problem:
            raise NotHeld(problem)
        return again


def _lost_by_copying(plan: Plan, place: Path) -> str:
    """What would not be as it is in the video if its packets were copied; "" for nothing. Raises `NotHeld`."""
    if not can_be_copied(plan.listing):
        return "its packets have no time stamps"
    lost = _rehearsed(plan, place)
    veiled = plan.listing.kept() & plan.listing.hidden
    shown = plan.listing.pts[~plan.listing.hidden]
    if veiled.any() and not (_hides(place) and (plan.listing.pts[veiled] < shown.min()).all()):
        return "what was trimmed off would be seen again"
    return lost


def _hides(place: Path) -> bool:
    """Whether the format of a file, which was just written, leaves out what comes before time 0."""
    with open_container(place) as container:
        return "mp4" in container.format.name.split(",")


def _rehearsed(plan: Plan, place: Path) -> str:
    """Write the first frames, read them back: what was lost on the way, "" for nothing. Raises `NotHeld`."""
    hidden = plan.listing.hidden
    packets = REHEARSED + (int(np.argmin(hidden)) if hidden.any() and not plan.again else 0)
    try:
        with telling():
            plan.write(place, np.zeros(SAMPLE_RATE, np.float32), packets)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ""  # of the disk for temporary files, which says nothing of the container
        raise
    found = _read_back(place)
    if found is None and plan.listing.hidden.any() and not plan.again:
        return "what is left of it begins in the middle"  # where some containers lack what decoders need first
    if found is None:
        raise NotHeld("what is written cannot be read back")
    return _difference(_look(plan.video, plan.listing), found, upright=bool(plan.again))


@contextmanager
def telling() -> Iterator[None]:
    """What FFmpeg says of a container that it does not write becomes `NotHeld`; a full disk stays one."""
    import av

    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise OSError(errno.ENOSPC, "No space left on device") from error
        raise NotHeld(short_reason(error)) from error


@dataclass(frozen=True)
class _Look:
    """The first frames of a file: times in seconds from the first on, quarter turns that set them upright, and
    their width by their height as they are shown upright."""

    times: np.ndarray
    turns: int
    aspect: float


def _look(path: Path, listing: Listing | None = None) -> _Look:
    """Look at a file; with the ``listing`` of packets that have no times, frames are counted."""
    with opened(path) as (container, stream):
        shape = float(stream.sample_aspect_ratio or 1)
        frames = list(islice(decoded_frames(container, stream), LOOKED_AT))
    if not frames:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    times = [frame.time for frame in frames]
    if listing is not None and (listing.untimed or None in times):
        times = [number * listing.step for number in range(len(frames))]
    turns, aspect = round((frames[0].rotation or 0) / 90) % 4, shape * frames[0].width / frames[0].height
    return _Look(np.asarray(times, float) - times[0], turns, 1 / aspect if turns % 2 else aspect)


def _read_back(place: Path) -> _Look | None:
    """Look at what was written, and listen to it; None where there is nothing to see or hear."""
    try:
        with open_container(place) as container:
            sounds = container.streams.audio
            heard = sounds and next(decoded_frames(container, sounds[0]), None) is not None
        return _look(place) if heard else None
    except VsrError:
        return None


def _difference(wanted: _Look, found: _Look, upright: bool) -> str:
    """What the second lost of the first; ``upright``: its frames are to stand upright without being turned."""
    if len(found.times) < len(wanted.times) or np.isnan(found.times).any():
        return "not all frames come back"
    if np.abs(found.times - wanted.times).max() > LATE:
        return "it does not keep the times of the frames"
    if found.turns != (0 if upright else wanted.turns):
        return "it does not keep how the video is turned"
    return "" if abs(found.aspect / wanted.aspect - 1) < DISTORTED else "it does not keep the shape of the pixels"
