"""Mouth crops as videos, as other toolkits store them: 96 x 96 at 25 frames/s, RGB with three equal planes.

Shapes: crop (T, 96, 96) uint8 gray.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import atomic_write
from vsr.data.manifest import Clip

QUALITY = {"crf": "12", "preset": "fast"}  # H.264 with an error of about two gray levels; others use the default, 23


def load_crop(clip: Clip) -> np.ndarray:
    """The crop of a clip, .npy or mouth video. Raises VsrError bad_manifest."""
    if not clip.crop:
        raise VsrError("bad_manifest", f"{clip.id} has no mouth crop: run vsr crop first")
    try:
        return np.load(clip.crop, allow_pickle=False) if clip.crop.endswith(".npy") else read_roi(clip.crop)
    except (OSError, ValueError) as error:
        raise VsrError("bad_manifest", f"cannot read the crop of {clip.id}: {cause_of(error)}") from error


def read_roi(path: str | Path) -> np.ndarray:
    """A mouth video -> (T, 96, 96) uint8 gray. Raises VsrError, also for another frame size."""
    import cv2

    from vsr.media.reader import read_frames

    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frames, _ in read_frames(path) for frame in frames]
    if gray[0].shape != (96, 96):
        height, width = gray[0].shape
        raise VsrError("bad_manifest", f"{path}: {width}x{height} pixels, a mouth crop has 96x96")
    return np.stack(gray)


def write_roi(clip: Clip, path: Path) -> int:
    """Write the clip's crop as a mouth video, or copy the video that it is; returns the number of frames."""
    if clip.crop.endswith(".mp4") and clip.num_frames:
        with atomic_write(path) as temporary:
            shutil.copyfile(clip.crop, temporary)
        return clip.num_frames
    crop = load_crop(clip)
    with atomic_write(path) as temporary:
        _encode(crop, temporary)
    return len(crop)


def _encode(crop: np.ndarray, path: Path) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=QUALITY)
        stream.width, stream.height, stream.pix_fmt = crop.shape[2], crop.shape[1], "yuv420p"
        for image in crop:
            frame = av.VideoFrame.from_ndarray(np.repeat(image[..., None], 3, axis=-1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
