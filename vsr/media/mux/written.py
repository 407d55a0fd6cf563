"""Writes frames and sound as a new recording, lossless or nearly so: Matroska, H.264 at 4:4:4, FLAC.

Shapes: frame (H, W, 3) uint8 RGB at 25 fps; wave (S,) float32, 16 kHz, sample 0 at the first frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS, SAMPLE_RATE
from vsr.media.mux.sound import SoundTrack
from vsr.media.tags import COMMENT

# With several threads of x264 or its lookahead, the bytes differ from run to run.
ONE_THREAD = {"x264-params": "threads=1:lookahead_threads=1"}
# Codec, pixel format, options: mean error of a frame below one gray level, or none.
NEAR = ("libx264", "yuv444p", {"qp": "6", "preset": "ultrafast"} | ONE_THREAD)
LOSSLESS = ("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast"} | ONE_THREAD)
SOUND = ("flac", SAMPLE_RATE)


def write_recording(
    path: str | Path, frames: Iterable[np.ndarray], wave: np.ndarray | None, lossless: bool = False, comment: str = ""
) -> int:
    """Write frames, scaled to the size of the first, and their sound (None: no sound); returns the number of frames.

    Raises OSError.
    """
    import av

    codec, pixels, options = LOSSLESS if lossless else NEAR
    count = 0
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as target:  # no random id
        target.metadata[COMMENT] = comment
        video = target.add_stream(codec, rate=FPS, options=options)
        sound = None if wave is None else SoundTrack(target, wave, SOUND)
        for count, frame in enumerate(frames, 1):
            if count == 1:
                (video.height, video.width), video.pix_fmt = frame.shape[:2], pixels
            image = av.VideoFrame.from_ndarray(_scaled(frame, video.width, video.height), format="rgb24")
            image.pts, image.time_base = count - 1, Fraction(1, FPS)
            target.mux(video.encode(image))
            if sound:
                sound.write(count / FPS)
        target.mux(video.encode())
        if sound:
            sound.finish()
    return count


def _scaled(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """The frame (H, W, 3) scaled to the size of the video, (height, width, 3), contiguous."""
    import cv2

    if frame.shape[:2] != (height, width):
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(frame)
