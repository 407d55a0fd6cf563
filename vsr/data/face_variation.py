"""Face augmentation: the mouth of a clip is warped, lit and focused differently, in the same way in all its frames.

A model trained on few people learns their lips. A smooth field of displacements (the elastic deformation of Simard et
al. 2003, here constant over time), another tone curve, light from another side and another camera add variety.
Shapes: window (T, 88, 88) in gray levels 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsr.core.numbers import NOT_NEGATIVE, Range, check_numbers
from vsr.media.degradation import blurred

NODES = 5  # nodes of the displacement field and of the light, along each side


@dataclass(frozen=True)
class FaceVariation:
    """How far the face of a training clip is varied; by default not at all.

    Args:
        shape: standard deviation of the displacement of the field's nodes, pixels.
        tone: the tone curve's exponent is drawn from 1 / (1 + tone) ... 1 + tone.
        light: greatest relative change of the brightness of a part of the frame.
        blur: greatest standard deviation of the blur, pixels (at least 0.1 where it is not 0).
        noise: greatest standard deviation of the noise of the pixels, gray levels.
    """

    shape: float = 0.0
    tone: float = 0.0
    light: float = 0.0
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        check_numbers(self, "data.augmentation.face.", shape=NOT_NEGATIVE, tone=NOT_NEGATIVE,
                      light=Range(least=0, below=1), blur=NOT_NEGATIVE, noise=NOT_NEGATIVE)  # fmt: skip

    def displacements(self, side: int, rng: np.random.Generator) -> Tensor:
        """The displacement of each pixel, (2, side, side): x and y, pixels."""
        return _smooth(rng.normal(0, self.shape, (2, NODES, NODES)), side)

    def vary(self, window: Tensor, rng: np.random.Generator) -> Tensor:
        """The window (T, S, S) as seen by another camera in another light; 0 to 255."""
        exponent = (1 + self.tone) ** rng.uniform(-1, 1)
        window = window.clamp(0, 255).div(255).pow(exponent).mul(255)
        if self.light:
            window = window * (1 + _smooth(rng.uniform(-self.light, self.light, (1, NODES, NODES)), window.shape[-1]))
        if self.blur and len(window):
            window = _blurred(window, float(rng.uniform(0.1, max(0.1, self.blur))))
        if self.noise:
            level = rng.uniform(0, self.noise)
            window = window + torch.from_numpy(rng.standard_normal(window.shape, np.float32)).mul_(level)
        return window.clamp(0, 255)


def _smooth(nodes: np.ndarray, side: int) -> Tensor:
    """Nodes (C, n, n) -> a smooth field (C, side, side), interpolated between them."""
    field = torch.from_numpy(nodes).float()[None]
    return functional.interpolate(field, size=(side, side), mode="bicubic", align_corners=True)[0]


def _blurred(window: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(np.stack([blurred(frame, sigma) for frame in window.numpy()]))
