"""Comparison of faces by embeddings of 128 numbers, which are close for one person and far apart for two.

The network is dlib's ResNet for face recognition (King 2017; He et al. 2016): 29 convolutions, trained by metric
learning on 3 million photographs. Its weights come from the package face-recognition-models (`vsr.face.dlib_weights`).

Shapes: chip (150, 150, 3) uint8 RGB, an upright face cut as dlib does.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.face.dlib_weights import read_weights, weights_file
from vsr.face.geometry import cut, similarity
from vsr.face.gradients import SIDE as GRADIENTS_SIDE
from vsr.face.gradients import Gradients

SIDE = 150
# Corners of the left eye (outer, inner), of the right eye (outer, inner) and base of the nose; their positions in a
# chip.
POINTS = (14, 11, 5, 8, 2)
POSITIONS = np.array([(110.96, 46.35), (89.61, 47.9), (37.06, 46.37), (58.41, 47.91), (74.01, 87.78)])
GRADIENTS = Gradients()
# Distance of means of two chips a second apart: for one person at most 0.47; for two at least 0.52, 1 in 100 below 0.62
ANOTHER = 0.55
CHIPS = 4  # per shot, averaged; 8 to 13 ms each on one core
SIZE = 128
MEAN_COLOUR = (122.782, 117.001, 104.298)
# (channels, residual units, whether the first of them halves the resolution) of each stage
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))


class Unit(nn.Module):
    """Residual unit of two convolutions: (B, C, H, W) -> (B, D, H', W')."""

    def __init__(self, width_in: int, width: int, halves: bool):
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = nn.Conv2d(width_in, width, 3, stride, padding)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, 2) if self.halves else x
        return F.relu(_sum(shortcut, self.second(F.relu(self.first(x)))))


def _sum(first: Tensor, second: Tensor) -> Tensor:
    """Sum of two feature maps, the smaller one padded with zeros, as in dlib."""
    shape = [max(sizes) for sizes in zip(first.shape[1:], second.shape[1:], strict=True)]
    return _filled(first, shape) + _filled(second, shape)


def _filled(features: Tensor, shape: list[int]) -> Tensor:
    missing = [target - size for target, size in zip(shape, features.shape[1:], strict=True)]
    return F.pad(features, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else features


class FaceNetwork(nn.Module):
    """Chips (B, 150, 150, 3) of 0 to 255 -> embeddings (B, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STAGES[0][0], 7, 2)
        units, width = [], STAGES[0][0]
        for wider, count, halves in STAGES:
            units += [Unit(width if not k else wider, wider, halves and not k) for k in range(count)]
            width = wider
        self.units = nn.Sequential(*units)
        self.out = nn.Linear(width, SIZE, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        x = (chips.float() - torch.tensor(MEAN_COLOUR)).permute(0, 3, 1, 2) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        return self.out(self.units(x).mean((2, 3)))


class FaceVectors:
    """Euclidean distance. Among ten people in ten kinds of poor frames, the nearest two people were 0.47 apart (0.37 if
    blurred beyond reading); two shots of one person are 0.2 apart on average, 95 % of them less than 0.35. A mark is
    128 float16."""

    name = "face vectors"
    every = 12
    mark_bytes = 2 * SIZE
    alike, nearby, same_look = 0.35, 0.45, 0.15

    def image(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The chip of a face."""
        (matrix,) = similarity(points[None, POINTS].astype(np.float64), POSITIONS)
        return cut(frame, matrix, SIDE)

    def marks(self, images: np.ndarray) -> list[bytes]:
        """A single mark: the mean embedding of up to four chips spread over the shot.

        Raises:
            VsrError: bad_model if the file of weights is damaged.
        """
        chosen = np.linspace(0, len(images) - 1, min(len(images), CHIPS)).round().astype(int)
        with torch.inference_mode():
            return [_network()(torch.from_numpy(images[chosen])).mean(0).half().numpy().tobytes()]

    def changes(self, images: np.ndarray) -> tuple[int, int] | None:
        """The change from one person to another, if any; embeddings are computed only if the gradients differ."""
        places = range(2, len(images) - 2)
        gray = [GRADIENTS.marks(_gray(image)[None])[0] for image in images]
        if not any(GRADIENTS.distance(gray[place - 1], gray[place + 1]) > GRADIENTS.alike for place in places):
            return None
        with torch.inference_mode():
            vectors = np.concatenate([_network()(torch.from_numpy(chip[None])).numpy() for chip in images])
        steps = {place: np.linalg.norm(_mean(vectors, place - 2) - _mean(vectors, place + 1)) for place in places}
        place = max(steps, key=lambda index: steps[index])
        if steps[place] <= ANOTHER:
            return None
        before, after = (np.linalg.norm(vectors[place] - _mean(vectors, place + side)) for side in (-2, 1))
        return place - (before > self.nearby), place + (after > self.nearby or before <= self.nearby)

    def distance(self, mark: bytes, other: bytes) -> float:
        """At most 0.35 for one person, about 0.8 for two."""
        first, second = (np.frombuffer(vector, np.float16).astype(np.float32) for vector in (mark, other))
        return float(np.linalg.norm(first - second))


def _mean(vectors: np.ndarray, start: int) -> np.ndarray:
    """Mean of two consecutive embeddings."""
    return vectors[start : start + 2].mean(axis=0)


def _gray(chip: np.ndarray) -> np.ndarray:
    """A chip as the gray image that `Gradients` compares."""
    import cv2

    return cv2.resize(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), (GRADIENTS_SIDE, GRADIENTS_SIDE))


@lru_cache(maxsize=1)
def _network() -> FaceNetwork:
    path = weights_file()
    if path is None:
        raise VsrError("missing_package", "face vectors need `pip install face-recognition-models`")
    network = FaceNetwork()
    network.load_state_dict(read_weights(path, {name: own.shape for name, own in network.state_dict().items()}))
    return network.eval()
