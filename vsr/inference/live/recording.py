"""Record a few seconds of a camera to a file."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.inference.live.source import open_source

TICKS = 90_000  # per second
QUALITY = {"preset": "ultrafast", "crf": "12"}


def record(source: str, path: Path, seconds: float, on_start: Callable[[], None] = lambda: None) -> Path:
    """Record ``seconds`` of a camera (or any source of `open_source`) to an .mp4; ``on_start`` is called at the first
    frame. Raises VsrError as `open_source`."""
    import av

    images = open_source(source)
    try:
        with av.open(str(path), "w") as container:
            stream = None
            for image, time in images:
                if time > seconds:
                    break
                if stream is None:
                    on_start()
                    stream = _stream_of(container, image)
                cropped = np.ascontiguousarray(image[: stream.height, : stream.width])
                frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
                frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
                container.mux(stream.encode(frame))
            if stream is None:
                raise VsrError("no_camera", f"camera {source} gives no frame")
            container.mux(stream.encode())
    finally:
        images.close()
    return path


def _stream_of(container, image: np.ndarray):
    """Add an H.264 stream of the size of a frame (H, W, 3), cut to even sides, as 4:2:0 requires."""
    stream = container.add_stream("libx264", rate=FPS, options=QUALITY)
    stream.height, stream.width = (side // 2 * 2 for side in image.shape[:2])
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream
