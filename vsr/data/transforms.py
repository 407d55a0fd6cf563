"""Mouth crop (T, 96, 96) uint8 -> network input (T, 1, 88, 88) float, with the augmentation of training.

Scaled to [0, 1], then (x - 0.421) / 0.165, as published lip readers do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, Range, check_numbers
from vsr.data.face_variation import FaceVariation
from vsr.media.mel import NUM_MELS

SIDE = 88
MEAN, STD = 0.421, 0.165


@dataclass(frozen=True)
class Augmentation:
    """How a training clip is varied.

    Args:
        flip: probability of mirroring the whole clip.
        speed: the clip is played at a rate drawn from 1 - speed ... 1 + speed.
        mask_frames: longest stretch replaced by the mean, one for each second of video (0.4 s in published recipes).
        light: greatest relative change of contrast, and half of that of brightness.
        trim: the clip begins anywhere before its first word and ends anywhere after its last, where word times are
            known (Martinez et al. 2020, for clips of one word).
        turn: greatest rotation of the frame, degrees.
        zoom: width and height are each scaled by a factor of 1 - zoom ... 1 + zoom: other faces have other mouths.
        mask_bands: greatest width of each of two groups of mel bands of the sound that are hidden (Park et al. 2019).
        face: other shapes of the mouth, other light and cameras (`vsr.data.face_variation`).
    """

    flip: float = 0.5
    speed: float = 0.1
    mask_frames: int = 6
    light: float = 0.2
    trim: bool = False
    turn: float = 0.0
    zoom: float = 0.0
    mask_bands: int = 0
    face: FaceVariation = field(default_factory=FaceVariation)

    def __post_init__(self):
        for name in ("flip", "speed", "light", "zoom"):
            value = getattr(self, name)
            if not 0 <= value <= 1 or (value == 1 and name != "flip"):
                raise VsrError("bad_config", f"data.augmentation.{name} is {value}; it must be at least 0 and below 1")
        check_numbers(self, "data.augmentation.", mask_frames=NOT_NEGATIVE, mask_bands=Range(least=0, most=NUM_MELS),
                      turn=Range(least=0, most=360))  # fmt: skip


def to_network_input(crop: np.ndarray, augmentation: Augmentation | None = None, rng=None) -> Tensor:
    """(T, 96, 96) -> (T, 1, 88, 88): the centre, or with ``augmentation`` a random window kept for the whole clip."""
    margin = crop.shape[1] - SIDE
    top, left = (margin // 2, margin // 2) if augmentation is None else rng.integers(0, margin + 1, 2)
    if augmentation is not None and (augmentation.turn or augmentation.zoom or augmentation.face.shape):
        window = warped(crop, top, left, augmentation, rng)
    else:
        window = torch.from_numpy(np.ascontiguousarray(crop[:, top : top + SIDE, left : left + SIDE])).float()
    if augmentation is not None and augmentation.face != FaceVariation():
        window = augmentation.face.vary(window, rng)
    video = window.div_(255).sub_(MEAN).div_(STD)
    if augmentation is not None:
        video = vary(video, augmentation, rng)
    return video[:, None]


def warped(crop: np.ndarray, top: int, left: int, augmentation: Augmentation, rng: np.random.Generator) -> Tensor:
    """The window (T, 88, 88) at ``top``, ``left`` of a crop (T, H, W), turned, scaled and bent about its own centre."""
    angle = math.radians(rng.uniform(-augmentation.turn, augmentation.turn))
    wide, high = 1 / rng.uniform(1 - augmentation.zoom, 1 + augmentation.zoom, 2)
    offsets = torch.arange(SIDE) - (SIDE - 1) / 2
    y, x = torch.meshgrid(offsets * high, offsets * wide, indexing="ij")
    columns = left + (SIDE - 1) / 2 + x * math.cos(angle) - y * math.sin(angle)
    rows = top + (SIDE - 1) / 2 + x * math.sin(angle) + y * math.cos(angle)
    if augmentation.face.shape:
        shifts = augmentation.face.displacements(SIDE, rng)
        columns, rows = columns + shifts[0], rows + shifts[1]
    places = torch.stack([columns / (crop.shape[2] - 1), rows / (crop.shape[1] - 1)], -1) * 2 - 1
    images = torch.from_numpy(np.ascontiguousarray(crop)).float()[None]
    return functional.grid_sample(images, places[None].float(), padding_mode="border", align_corners=True)[0]


def vary(video: Tensor, augmentation: Augmentation, rng: np.random.Generator) -> Tensor:
    """Mirror, light and time masks on a normalised clip (T, 88, 88)."""
    if rng.random() < augmentation.flip:
        video = video.flip(2)
    contrast, brightness = rng.uniform(-augmentation.light, augmentation.light, 2)
    video = video * (1 + contrast) + brightness / 2
    for _ in range(math.ceil(len(video) / 25)):
        length = rng.integers(0, augmentation.mask_frames + 1)
        start = rng.integers(0, max(1, len(video) - length + 1))
        video[start : start + length] = 0.0
    return video


def speed_indices(num_frames: int, speed: float, rng: np.random.Generator) -> np.ndarray:
    """Index of the source frame at each place when the clip is played faster or slower by up to ``speed``."""
    rate = rng.uniform(1 - speed, 1 + speed)
    places = np.arange(max(1, round(num_frames / rate))) * rate
    return np.clip(np.round(places).astype(int), 0, num_frames - 1)


def trim_span(inside: np.ndarray, rng: np.random.Generator) -> slice:
    """A random stretch that holds all frames ``inside`` (T,) words; the whole clip without known words."""
    places = np.flatnonzero(inside)
    if not len(places):
        return slice(0, len(inside))
    return slice(int(rng.integers(0, places[0] + 1)), int(rng.integers(places[-1] + 1, len(inside) + 1)))
