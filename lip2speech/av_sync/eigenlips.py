"""Mouth crops as coefficients of their principal components, "eigenlips" (Bregler and Konig 1994).

Shapes: T video frames; crop (T, 96, 96) uint8; coefficients (T, C).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.errors import VsrError

COMPONENTS = 96
FRAMES = 12_000  # from which the components are computed, at most
MARGIN, SHRINK = 8, 2  # pixels cut off on each side, and factor by which the rest is downsampled
LAST_WEIGHT = 0.4  # of the last component relative to the first: finer components have more noise


@dataclass
class Eigenlips:
    """components (P, C) of frames of P pixels, scaled so that the coefficients' standard deviations fall from 1 to
    `LAST_WEIGHT`."""

    components: Tensor

    @classmethod
    def fit(cls, crops: Sequence[np.ndarray], seed: int = 0) -> Eigenlips:
        """Fit components to frames drawn evenly from all crops, after subtracting each clip's mean. Raises VsrError
        bad_manifest where nothing moves."""
        frames_per_clip = max(2, FRAMES // len(crops))
        rng = np.random.default_rng(seed)
        samples = [central_pixels(crop)[rng.permutation(len(crop))[:frames_per_clip]] for crop in crops]
        sample = torch.cat([frames - frames.mean(0) for frames in samples])
        variances, vectors = torch.linalg.eigh(sample.T @ sample / len(sample))
        count = min(COMPONENTS, int((variances > 1e-6 * variances[-1]).sum()))
        if variances[-1] <= 0 or count < 1:
            raise VsrError("bad_manifest", "the mouth crops show no movement")
        deviations = variances.flip(0)[:count].sqrt()
        return cls(vectors.flip(1)[:, :count] / deviations * torch.linspace(1, LAST_WEIGHT, count))

    def __call__(self, crop: np.ndarray) -> Tensor:
        """Coefficients (T, C) of a crop (T, 96, 96), after subtracting the clip's mean."""
        frames = central_pixels(crop)
        return (frames - frames.mean(0)) @ self.components


def central_pixels(crop: np.ndarray) -> Tensor:
    """The central part (T, P) float, at half the size, of a crop (T, 96, 96) uint8."""
    middle = torch.from_numpy(np.array(crop[:, MARGIN:-MARGIN, MARGIN:-MARGIN])).float()
    return F.avg_pool2d(middle[:, None], SHRINK).flatten(1)
