"""The length of a video's sound: that of the video, by the frames and packets that it really has.

Recordings of browsers and raw streams announce no length, and the one in a header may be that of another track.
"""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import FPS, SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.media.audio import MAX_SECONDS
from vsr.media.mux.listing import list_packets

NEAR = 2 / FPS  # seconds by which packets may end before the last frame at 25 fps


def voice_samples(path: str | Path, seconds_read: float, frames: int | None = None) -> int:
    """Samples from the first frame of a video to its end.

    Args:
        path: the video.
        seconds_read: seconds from its first frame to the end of the last frame that was read.
        frames: number of frames read at 25 a second, if the whole video was read.

    Raises:
        VsrError: unreadable if the time stamps jump by hours.
    """
    if frames is not None and seconds_read > frames / FPS + MAX_SECONDS:
        raise VsrError(
            "unreadable", f"{path}: its time stamps jump by {(seconds_read - frames / FPS) / 3600:.0f} hours"
        )
    listing = list_packets(path)  # includes the duration of the last frame
    longest = max(seconds_read, listing.step * len(listing.pts)) + MAX_SECONDS
    seconds = listing.seconds if seconds_read - NEAR < listing.seconds < longest else seconds_read
    return round(seconds * SAMPLE_RATE)
