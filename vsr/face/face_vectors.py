"""Faces compared by vectors of 128 numbers: near each other for one person, far apart for two.

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
# Points of the corners of the left eye (outer, inner), of the right eye (outer, inner) and of the base of the nose, and
# their positions in a chip.
POINTS = (14, 11, 5, 8, 2)
POSITIONS = np.array([(110.96, 46.35), (89.61, 47.9), (37.06, 46.37), (58.41, 47.91), (74.01, 87.78)])
GRADIENTS = Gradients()
# Of means of two chips a second apart: one person reached 0.47, two people came as near as 0.52 and 1 in 100 0.62.
ANOTHER = 0.55
CHIPS = 4  # of a shot, averaged: 8 to 13 ms each on one core
SIZE = 128
MEAN_COLOUR = (122.782, 117.001, 104.298)
# (channels, residual units, whether the first of them halves the resolution) of each stage
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))


class Unit(nn.Module):
    """Two convolutions and the way round them: (B, C, H, W) -> (B, D, H', W')."""

    def __init__(self, width_in: int, width: int, halves: bool):
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = nn.Conv2d(width_in, width, 3, stride, padding)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        around = F.avg_pool2d(x, 2) if self.halves else x
        return F.relu(_sum(around, self.second(F.relu(self.first(x)))))


def _sum(one: Tensor, other: Tensor) -> Tensor:
    """Of two maps, the smaller in each dimension filled up with zeros, as dlib adds them."""
    shape = [max(sides) for sides in zip(one.shape[1:], other.shape[1:], strict=True)]
    return _filled(one, shape) + _filled(other, shape)


def _filled(own: Tensor, shape: list[int]) -> Tensor:
    missing = [wanted - had for wanted, had in zip(shape, own.shape[1:], strict=True)]
    return F.pad(own, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else own


class FaceNetwork(nn.Module):
    """Chips (B, 150, 150, 3), values 0 to 255 -> vectors (B, 128)."""

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
    """Distance: Euclidean. Of ten people in ten kinds of poor frames, two came as near as 0.47, or 0.37 if blurred
    beyond reading; two shots of one person are 0.2 apart, and 95 % of them less than 0.35. A mark is 128 float16."""

    name = "face vectors"
    every = 12
    mark_bytes = 2 * SIZE
    alike, nearby, same_look = 0.35, 0.45, 0.15

    def image(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A chip."""
        (matrix,) = similarity(points[None, POINTS].astype(np.float64), POSITIONS)
        return cut(frame, matrix, SIDE)

    def marks(self, images: np.ndarray) -> list[bytes]:
        """One: the mean vector of up to four chips spread over the shot.

        Raises:
            VsrError: bad_model if the file of weights is damaged.
        """
        chosen = np.linspace(0, len(images) - 1, min(len(images), CHIPS)).round().astype(int)
        with torch.inference_mode():
            return [_network()(torch.from_numpy(images[chosen])).mean(0).half().numpy().tobytes()]

    def changes(self, images: np.ndarray) -> tuple[int, int] | None:
        """Where the vectors before and after are of two people; they are computed only if the gradients differ."""
        places = range(2, len(images) - 2)
        gray = [GRADIENTS.marks(_gray(image)[None])[0] for image in images]
        if not any(GRADIENTS.distance(gray[place - 1], gray[place + 1]) > GRADIENTS.alike for place in places):
            return None
        with torch.inference_mode():
            vectors = np.concatenate([_network()(torch.from_numpy(part[None])).numpy() for part in images])
        ways = {place: np.linalg.norm(_mean(vectors, place - 2) - _mean(vectors, place + 1)) for place in places}
        place = max(ways, key=lambda own: ways[own])
        if ways[place] <= ANOTHER:
            return None
        before, after = (np.linalg.norm(vectors[place] - _mean(vectors, place + side)) for side in (-2, 1))
        return place - (before > self.nearby), place + (after > self.nearby or before <= self.nearby)

    def distance(self, mark: bytes, other: bytes) -> float:
        """0.35 and less for one person, about 0.8 for two."""
        one, two = (np.frombuffer(vector, np.float16).astype(np.float32) for vector in (mark, other))
        return float(np.linalg.norm(one - two))


def _mean(vectors: np.ndarray, start: int) -> np.ndarray:
    """Of two that follow each other."""
    return vectors[start : start + 2].mean(axis=0)


def _gray(chip: np.ndarray) -> np.ndarray:
    """A chip as an image that gradients are taken of."""
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
