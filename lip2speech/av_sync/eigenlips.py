"""Mouth crops as weights of their principal components, "eigenlips" (Bregler and Konig 1994).

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
FRAMES = 12_000  # that the components are made from, at most
MARGIN, SHRINK = 8, 2  # pixels cut off on each side, and how much smaller the rest becomes
LAST_WEIGHT = 0.4  # of the last component beside the first's 1: the finer, the more noise


@dataclass
class Eigenlips:
    """components (P, C) of frames of P pixels, each scaled so that its weights deviate by 1 to `LAST_WEIGHT`."""

    components: Tensor

    @classmethod
    def fit(cls, crops: Sequence[np.ndarray], seed: int = 0) -> Eigenlips:
        """Components of frames drawn evenly from all crops, each clip's mean frame taken out. Raises VsrError
        bad_manifest where nothing moves."""
        each = max(2, FRAMES // len(crops))
        rng = np.random.default_rng(seed)
        drawn = [images(crop)[rng.permutation(len(crop))[:each]] for crop in crops]
        sample = torch.cat([own - own.mean(0) for own in drawn])
        variances, vectors = torch.linalg.eigh(sample.T @ sample / len(sample))
        count = min(COMPONENTS, int((variances > 1e-6 * variances[-1]).sum()))
        if variances[-1] <= 0 or count < 1:
            raise VsrError("bad_manifest", "the mouth crops show no movement")
        first = variances.flip(0)[:count].sqrt()
        return cls(vectors.flip(1)[:, :count] / first * torch.linspace(1, LAST_WEIGHT, count))

    def __call__(self, crop: np.ndarray) -> Tensor:
        """crop (T, 96, 96) -> coefficients (T, C), the clip's mean taken out."""
        seen = images(crop)
        return (seen - seen.mean(0)) @ self.components


def images(crop: np.ndarray) -> Tensor:
    """(T, 96, 96) uint8 -> (T, P) float: the middle, at half the size."""
    middle = torch.from_numpy(np.array(crop[:, MARGIN:-MARGIN, MARGIN:-MARGIN])).float()
    return F.avg_pool2d(middle[:, None], SHRINK).flatten(1)
