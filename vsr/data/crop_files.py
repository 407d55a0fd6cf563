"""Storage of mouth crops: arrays, or 96 x 96 videos that take a fraction of the space.

| store | file | |
|---|---|---|
| `npy` | `ID.npy` | raw, memory-mapped: 1.7 MB for 3 s |
| `video` | `ID.mp4` | H.264, crf 12: a twentieth, mean error below one gray level |
| `lossless` | `ID.mp4` | H.264, crf 0, bit for bit: a quarter |

The gray levels are the Y plane at full range, without colour: what decord gives back in each of its three channels.

Shapes: crop (T, 96, 96) uint8 gray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.clock import FPS
from vsr.core.packages import required_package
from vsr.data.crop_formats import STORES  # noqa: F401  known by this name

SIDE = 96
QUALITY = {"video": "12", "lossless": "0"}  # store -> crf
INSTALL = "pip install decord2"
FULL_RANGE, BT470BG = 2, 5  # FFmpeg's numbers
AT_ONCE = 250  # frames per call to the decoder


def file_name(clip_id: str, store: str) -> str:
    """The name of a clip's crop."""
    return f"{clip_id}.npy" if store == "npy" else f"{clip_id}.mp4"


def write_crop(path: str | Path, crop: np.ndarray, store: str) -> None:
    """Write a crop (T, 96, 96) in the store's format, whatever the file's name; raises OSError."""
    if store == "npy":
        with open(path, "wb") as file:
            np.save(file, crop)
    else:
        _encode(path, crop, QUALITY[store])


def _encode(path: str | Path, crop: np.ndarray, crf: str) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": crf, "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuvj420p"
        stream.codec_context.color_range, stream.codec_context.colorspace = FULL_RANGE, BT470BG
        planes = np.full((SIDE * 3 // 2, SIDE), 128, np.uint8)  # the half below Y is colour, here none
        for image in crop:
            planes[:SIDE] = image
            frame = av.VideoFrame.from_ndarray(planes, format="yuvj420p")
            frame.color_range = FULL_RANGE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_crop(path: str | Path) -> np.ndarray:
    """A crop (T, 96, 96); an array is memory-mapped. Raises OSError, ValueError for any other file, VsrError."""
    path = Path(path)
    crop = np.load(path, mmap_mode="r", allow_pickle=False) if path.suffix == ".npy" else _decoded(path)
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"{path} is no mouth crop: {crop.dtype} {crop.shape}")
    return crop


def count_frames(path: str | Path) -> int:
    """Number of frames of a crop on disk; 0 without a complete one. Of a video only the first frame is decoded."""
    path = Path(path)
    try:
        return len(read_crop(path)) if path.suffix == ".npy" else len(_opened(path)[0])
    except (OSError, ValueError, EOFError):
        return 0


def _decoded(path: Path) -> np.ndarray:
    """The first channel of a mouth video's frames, decoded in blocks."""
    reader, whole_rows = _opened(path)
    decord = _library()
    try:
        if whole_rows:
            starts = range(0, len(reader), AT_ONCE)
            calls = (reader.get_batch(range(start, min(start + AT_ONCE, len(reader)))) for start in starts)
            return np.concatenate([call.asnumpy()[..., 0] for call in calls])
        reader.seek(0)
        return np.stack([_gray(reader.next().asnumpy()) for _ in range(len(reader))])
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        raise ValueError(_message(path, error)) from error


def _opened(path: Path) -> tuple[Any, bool]:
    """decord's reader, and whether its frames are 96 pixels wide, without padding.

    decord2 returns rows as wide as its decoder's buffer, 128 pixels of which 96 are the frame, and cannot stack
    several of those in one array.
    """
    decord = _library()
    with path.open("rb") as file:  # a missing file is reported in the system's own words
        if file.read(8)[4:] != b"ftyp":
            raise ValueError(f"{path} is no mouth video")
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        first = reader[0].asnumpy()
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        raise ValueError(_message(path, error)) from error
    _gray(first)
    return reader, first.shape == (SIDE, SIDE, 3)


def _library() -> Any:
    return required_package("decord", "reading mouth crops that are videos", INSTALL)


def _message(path: Path, error: Exception) -> str:
    return f"{path} is no mouth video: {(str(error).splitlines() or [''])[-1][-160:]}"


def _gray(image: np.ndarray) -> np.ndarray:
    """One frame of decord2, with or without padded rows -> (96, 96). Raises ValueError for another size."""
    if image.shape[0] != SIDE or image.size % SIDE or image.size < 3 * SIDE * SIDE or image.shape[1] != SIDE:
        raise ValueError(f"a frame of {image.shape[1]}x{image.shape[0]} pixels, a mouth crop has {SIDE}x{SIDE}")
    return image.reshape(SIDE, -1)[:, : 3 * SIDE : 3].copy()
