"""A differentiable mouth crop, for losses on generated faces.

It equals the crop of `vsr.face.geometry.cut_mouth` to within one gray level: bilinear sampling at 1/32 pixel like
OpenCV's, downsampling of large faces, BT.601 luma. Gradients flow to pixel values, not to the crop's position.
Shapes: frames (N, 3, H, W) of 0 ... 255; matrices (N, 2, 3) from pixels of the frame to the crop; crop (N, 96, 96).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.face.geometry import CROP, reduction

LUMA = (0.299, 0.587, 0.114)
FIXED, FRACTION = 1024, 32  # units per pixel in which OpenCV adds up positions, and in which it samples
LARGE = 0.6  # faces are downsampled below this scale


def soft_crop(frames: Tensor, matrices: np.ndarray) -> Tensor:
    """Gray crops (N, 96, 96) of frames (N, 3, H, W), differentiable."""
    gray = (frames * frames.new_tensor(LUMA)[:, None, None]).sum(1)
    return torch.stack([_one(frame, matrix) for frame, matrix in zip(gray, matrices, strict=True)])


def _one(gray: Tensor, matrix: np.ndarray) -> Tensor:
    """The crop (96, 96) of one gray frame (H, W)."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < LARGE:
        (x0, y0, x1, y1), (width, height), matrix = reduction(tuple(gray.shape), matrix, scale)
        part = gray[y0:y1, x0:x1]
        gray = averaging(height, y1 - y0).to(part) @ part @ averaging(width, x1 - x0).to(part).T
    return F.grid_sample(gray[None, None], _grid(matrix, gray.shape).to(gray), align_corners=True)[0, 0]


def _grid(matrix: np.ndarray, shape: torch.Size) -> Tensor:
    """Sampling grid (1, 96, 96, 2) of the crop in a frame (H, W), -1 ... 1; black outside the frame."""
    inverse = np.linalg.inv(matrix[:, :2])
    begin = -inverse @ matrix[:, 2]
    steps = np.arange(CROP)
    rows = np.rint((inverse[:, 1] * steps[:, None] + begin) * FIXED) + FIXED // FRACTION // 2
    columns = np.rint(inverse[:, 0] * steps[:, None] * FIXED)
    places = (rows[:, None] + columns[None]).astype(int) // (FIXED // FRACTION) / FRACTION
    size = np.array([shape[1], shape[0]])
    return torch.from_numpy(2 * places / np.maximum(size - 1, 1) - 1)[None]


def averaging(small: int, large: int) -> Tensor:
    """Weights (small, large) that downsample by averaging; pixels on a border count by the share inside."""
    edges = torch.linspace(0, large, small + 1, dtype=torch.float64)
    first, pixels = edges[:-1, None], torch.arange(large, dtype=torch.float64)[None]
    inside = (torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(first, pixels)).clamp(min=0)
    return inside / inside.sum(1, keepdim=True)
