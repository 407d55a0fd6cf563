"""Corruption of the frames of a clip: settings with a probability and values for each kind, and the draw for one clip.

`VideoCorruption.draw` returns plain values, which are stored beside a distorted set; `DrawnVideo` applies them to whole
frames, whose mouth is known, or to mouth crops. Shapes: crop (T, 96, 96) uint8; frame (H, W[, 3]) uint8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, POSITIVE, SHARE, Range, check_number
from vsr.media.degradation import blurred, coarse, compressed, noisy, shown_frames
from vsr.media.occlusion import KINDS, Cover

CROP_BOX = np.array([20.0, 36.0, 76.0, 64.0])  # the area in which lips move in a crop of 96 x 96
AROUND = (0.6, 0.5)  # greatest offset of a cover's centre from the mouth's, in half widths and half heights


def check_choice(section: str, settings: object, **allowed: Range) -> None:
    """Check a probability ``p``, and lists: not empty, every value in its range. Raises VsrError bad_config."""
    check_number(f"{section}.p", vars(settings)["p"], SHARE)
    for name, values in vars(settings).items():
        if isinstance(values, tuple) and not values:
            raise VsrError("bad_config", f"{section}.{name} is empty: give at least one value to draw")
    for name, limits in allowed.items():
        for value in vars(settings)[name] if isinstance(vars(settings)[name], tuple) else (vars(settings)[name],):
            check_number(f"{section}.{name}", value, limits)


def check_kinds(section: str, kinds: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Raise VsrError bad_config for an unknown kind."""
    if unknown := [kind for kind in kinds if kind not in allowed]:
        raise VsrError("bad_config", f"{section} is '{unknown[0]}'; it can be {', '.join(allowed)}")


@dataclass(frozen=True)
class Occlusion:
    """``count`` covers (the number is drawn), each of one of ``kinds``, hide ``share`` of the mouth in ``frames`` of
    the clip, a share of it in one piece."""

    p: float = 1.0
    kinds: tuple[str, ...] = KINDS
    share: tuple[float, ...] = (0.25, 0.5, 0.75)
    frames: tuple[float, ...] = (1.0,)
    count: tuple[int, ...] = (1,)

    def __post_init__(self):
        check_choice("corruption.video.occlusion", self, share=SHARE, frames=SHARE, count=NOT_NEGATIVE)
        check_kinds("corruption.video.occlusion.kinds", self.kinds, KINDS)


@dataclass(frozen=True)
class Amount:
    """One of ``values`` with probability ``p``: pixels of blur, gray levels of noise, shares of width and height, JPEG
    quality, or shares of the frames that are dropped."""

    p: float = 1.0
    values: tuple[float, ...] = ()

    def draw(self, rng: np.random.Generator) -> float:
        """One of the values, or 0."""
        return float(rng.choice(self.values)) if rng.random() < self.p else 0.0


NEVER = Amount(p=0.0)
LIMITS = {"blur": POSITIVE, "noise": POSITIVE, "resolution": Range(above=0, most=1),
          "compression": Range(least=1, most=100), "dropped": SHARE}  # fmt: skip


@dataclass(frozen=True)
class DrawnVideo:
    """The corruption drawn for one clip: covers; blur (pixels), noise (gray levels), resolution (share), JPEG quality,
    each 0 for none; dropped frames; the seed of the noise."""

    covers: tuple[Cover, ...] = ()
    blur: float = 0.0
    noise: float = 0.0
    resolution: float = 0.0
    compression: int = 0
    dropped: tuple[int, ...] = ()
    seed: int = 0

    def frame(self, index: int, frame: np.ndarray, box: np.ndarray | None) -> np.ndarray:
        """Frame ``index`` of the clip, corrupted, without drops; ``box`` (4,): its mouth, needed for covers."""
        for cover in self.covers:
            if cover.first <= index < cover.stop and box is not None:
                frame = cover.drawn_on(frame, box)
        if self.resolution:
            frame = coarse(frame, self.resolution)
        if self.blur:
            frame = blurred(frame, self.blur)
        if self.noise:
            frame = noisy(frame, self.noise, np.random.default_rng((self.seed, index)))
        return compressed(frame, self.compression) if self.compression else frame

    def frame_indices(self, count: int) -> np.ndarray:
        """The index of the frame seen at each of ``count`` places."""
        return shown_frames(count, np.array(self.dropped, int))

    def crop(self, crop: np.ndarray) -> np.ndarray:
        """Mouth crops (T, 96, 96) -> the same, corrupted."""
        if self == DrawnVideo(seed=self.seed) or not len(crop):
            return crop
        return np.stack([self.frame(index, crop[index], CROP_BOX) for index in self.frame_indices(len(crop))])


@dataclass(frozen=True)
class VideoCorruption:
    """How frames are corrupted; by default not at all."""

    occlusion: Occlusion = field(default_factory=lambda: Occlusion(p=0.0))
    blur: Amount = NEVER
    noise: Amount = NEVER
    resolution: Amount = NEVER
    compression: Amount = NEVER
    dropped: Amount = NEVER

    def __post_init__(self):
        for name, limits in LIMITS.items():
            amount = getattr(self, name)
            if amount.p:
                check_choice(f"corruption.video.{name}", amount, values=limits)

    @property
    def changes_nothing(self) -> bool:
        """Whether no clip is ever changed."""
        return not any(kind.p for kind in vars(self).values())

    def draw(self, frames: int, rng: np.random.Generator) -> DrawnVideo:
        """The corruption of a clip of ``frames`` frames."""
        covers = self._covers(frames, rng) if rng.random() < self.occlusion.p else ()
        amounts = {name: amount.draw(rng) for name, amount in vars(self).items() if name in LIMITS}
        missing = rng.choice(frames, round(amounts.pop("dropped") * frames), replace=False) if frames else ()
        dropped = tuple(sorted(map(int, missing)))
        compression = round(amounts.pop("compression"))
        return DrawnVideo(covers, **amounts, compression=compression, dropped=dropped, seed=int(rng.integers(2**31)))

    def _covers(self, frames: int, rng: np.random.Generator) -> tuple[Cover, ...]:
        return tuple(self._cover(frames, rng) for _ in range(int(rng.choice(self.occlusion.count))))

    def _cover(self, frames: int, rng: np.random.Generator) -> Cover:
        occlusion = self.occlusion
        length = math.ceil(float(rng.choice(occlusion.frames)) * frames)
        first = int(rng.integers(frames - length + 1))
        x, y = (float(rng.uniform(-most, most)) for most in AROUND)
        kind, share = str(rng.choice(occlusion.kinds)), float(rng.choice(occlusion.share))
        return Cover(kind, share, first, first + length, x, y, float(rng.uniform(-0.6, 0.6)), int(rng.integers(2**31)))
