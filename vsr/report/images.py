"""Embeds arrays in a page: images as data URLs, numbers as base64."""

from __future__ import annotations

import base64

import numpy as np

QUALITY = 80  # of WebP: a crop of 96 x 96 takes about 1 kB
COLUMNS = 20  # crops in a row of the sprite


def base64_bytes(values: np.ndarray) -> str:
    """Base64 of a uint8 array of any shape, row by row."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def image_url(image: np.ndarray) -> str:
    """Data URL, as WebP, of an image in RGB (H, W, 3) or gray (H, W) uint8."""
    import cv2

    ordered = image[..., ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(".webp", np.ascontiguousarray(ordered), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not ok:
        raise ValueError(f"no image: {image.shape} {image.dtype}")
    return "data:image/webp;base64," + base64_bytes(data)


def sprite(crops: np.ndarray) -> tuple[str, int, int]:
    """Tile crops (T, S, S) uint8 in one image: returns its data URL, columns, rows; unused tiles are black."""
    columns = min(COLUMNS, len(crops))
    rows = -(-len(crops) // columns)
    side = crops.shape[1]
    sheet = np.zeros((rows * columns, side, side), np.uint8)
    sheet[: len(crops)] = crops
    sheet = sheet.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)
    return image_url(sheet), columns, rows
