"""Plans how a video stream goes into a container, copied or re-encoded, by a trial with its first frames.

The result is read back: a container that loses frames, their times, rotation or shape cannot hold the video.
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
from vsr.media.container import decoded_frames, open_container, open_video, short_reason, video_clock
from vsr.media.mux.copied import can_be_copied, copy_stream
from vsr.media.mux.encoded import encode_stream
from vsr.media.mux.listing import Listing, list_packets
from vsr.media.mux.sound import SoundTrack
from vsr.media.orientation import UPRIGHT, Orientation, orientation_of
from vsr.media.tags import COMMENT

LOOKED_AT = 16  # frames that are compared
REHEARSED = 48  # packets that are written from the first shown frame on
LATE = 0.006  # tolerance of a frame's time, seconds: some containers round to milliseconds
DISTORTED = 0.02  # tolerance of width by height
OTHERS = (".mkv", ".mp4", ".mov", ".ts")  # alternatives that are tried if a container cannot hold a video


class NotHeld(Exception):
    """A container cannot hold a video stream, with the reason."""


@dataclass(frozen=True)
class Plan:
    """How the stream of a video goes into a container.

    listing: of its packets; start: time stamp of the first frame shown; again: why it is re-encoded, "" if it is
    copied.
    """

    video: Path
    listing: Listing
    start: float
    again: str = ""

    def write(self, out: Path, wave: np.ndarray, packets: int | None = None, comment: str = "") -> None:
        """Write the video stream, or its first ``packets`` packets, with its sound (S,) at 16 kHz.

        Raises av.error.FFmpegError, ValueError.
        """
        import av

        with open_video(self.video) as (source, video), av.open(str(out), "w") as target:
            timed = (
                encode_stream(source, video, target, self.listing.step)
                if self.again
                else copy_stream(source, video, target, self.listing, self.start)
            )
            if comment:
                target.metadata[COMMENT] = comment
            timed = islice(timed, packets)
            first = next(timed, None)  # adds the video stream, which must be the first
            sound = SoundTrack(target, wave)
            for packet, seconds in chain([first], timed) if first else ():
                sound.write(seconds)
                target.mux(packet)
            sound.finish()


def plan_muxing(video: str | Path, out: str | Path) -> Plan:
    """Plan how the stream of ``video`` goes into ``out``. Raises VsrError unreadable if that cannot hold it."""
    plan = Plan(Path(video), list_packets(video), sum(video_clock(video)))
    try:
        return _plan_for(plan, Path(out).suffix)
    except NotHeld as problem:
        alternatives = (suffix for suffix in OTHERS if suffix != Path(out).suffix.lower() and _holds(plan, suffix))
        raise not_held(video, out, f"{problem}", next(alternatives, "")) from problem


def not_held(video: str | Path, out: str | Path, problem: str, other: str) -> VsrError:
    """The error for a container that cannot hold a video; ``other``: one that can, "" if there is none."""
    advice = f"try {other}, or .wav for the sound alone" if other else "write .wav, the sound alone"
    return VsrError("unreadable", f"{out}: cannot hold the video of {video} ({problem}): {advice}")


def _holds(plan: Plan, suffix: str) -> bool:
    try:
        return bool(_plan_for(plan, suffix))
    except NotHeld:
        return False


def _plan_for(plan: Plan, suffix: str) -> Plan:
    """The first plan that works. Raises `NotHeld`."""
    with tempfile.TemporaryDirectory(prefix="lip2speech-mux.") as folder:
        path = Path(folder) / f"rehearsal{suffix}"
        lost = _lost_by_copying(plan, path)
        if not lost:
            return plan
        re_encoded = replace(plan, again=lost)
        problem = _rehearsed(re_encoded, path)
        if problem:
            raise NotHeld(problem)
        return re_encoded


def _lost_by_copying(plan: Plan, path: Path) -> str:
    """What would be lost if the packets were copied; "" for nothing. Raises `NotHeld`."""
    if not can_be_copied(plan.listing):
        return "its packets have no time stamps"
    lost = _rehearsed(plan, path)
    is_kept_hidden = plan.listing.is_kept() & plan.listing.hidden
    shown_pts = plan.listing.pts[~plan.listing.hidden]
    if is_kept_hidden.any() and not (_hides(path) and (plan.listing.pts[is_kept_hidden] < shown_pts.min()).all()):
        return "what was trimmed off would be seen again"
    return lost


def _hides(path: Path) -> bool:
    """Whether the format of a written file hides frames before time 0."""
    with open_container(path) as container:
        return "mp4" in container.format.name.split(",")


def _rehearsed(plan: Plan, path: Path) -> str:
    """Write the first frames and read them back: what was lost, "" for nothing. Raises `NotHeld`."""
    hidden = plan.listing.hidden
    packets = REHEARSED + (int(np.argmin(hidden)) if hidden.any() and not plan.again else 0)
    try:
        with errors_as_not_held():
            plan.write(path, np.zeros(SAMPLE_RATE, np.float32), packets)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ""  # the disk for temporary files is full, which is no fault of the container
        raise
    look = _read_back(path)
    if look is None and plan.listing.hidden.any() and not plan.again:
        return "what is left of it begins in the middle"  # without what decoders need first
    if look is None:
        raise NotHeld("what is written cannot be read back")
    return _difference(_examine(plan.video, plan.listing), look, upright=bool(plan.again))


@contextmanager
def errors_as_not_held() -> Iterator[None]:
    """Convert FFmpeg's errors while writing a container to `NotHeld`, except that of a full disk."""
    import av

    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise OSError(errno.ENOSPC, "No space left on device") from error
        raise NotHeld(short_reason(error)) from error


@dataclass(frozen=True)
class _Look:
    """Properties of the first frames of a file: times in seconds after the first, how they are brought upright, and
    width by height of the upright frames."""

    times: np.ndarray
    orientation: Orientation
    aspect: float


def _examine(path: Path, listing: Listing | None = None) -> _Look:
    """Examine the first frames of a file; with a ``listing`` of packets without times, times are counted frames."""
    with open_video(path) as (container, stream):
        shape = float(stream.sample_aspect_ratio or 1)
        frames = list(islice(decoded_frames(container, stream), LOOKED_AT))
    if not frames:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    times = [frame.time for frame in frames]
    if listing is not None and (listing.untimed or None in times):
        times = [number * listing.step for number in range(len(frames))]
    orientation, aspect = orientation_of(frames[0]), shape * frames[0].width / frames[0].height
    return _Look(np.asarray(times, float) - times[0], orientation, 1 / aspect if orientation.turns % 2 else aspect)


def _read_back(path: Path) -> _Look | None:
    """Examine the written file; None if its video or sound cannot be decoded."""
    try:
        with open_container(path) as container:
            audio_streams = container.streams.audio
            has_sound = audio_streams and next(decoded_frames(container, audio_streams[0]), None) is not None
        return _examine(path) if has_sound else None
    except VsrError:
        return None


def _difference(expected: _Look, actual: _Look, upright: bool) -> str:
    """What ``actual`` has lost of ``expected``; ``upright``: its frames must be upright without rotation."""
    if len(actual.times) < len(expected.times) or np.isnan(actual.times).any():
        return "not all frames come back"
    if np.abs(actual.times - expected.times).max() > LATE:
        return "it does not keep the times of the frames"
    if actual.orientation != (UPRIGHT if upright else expected.orientation):
        return "it does not keep how the video is turned"
    return "" if abs(actual.aspect / expected.aspect - 1) < DISTORTED else "it does not keep the shape of the pixels"
