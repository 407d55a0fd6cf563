"""Clips as speech units alone, without video: the training data of a unit reader (LMDecoder).

Files of units are those of `vsr.data.frame_units`. Shapes: T frames, N units per frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vsr.core.errors import VsrError, cause_of
from vsr.data.batch import CropDataset, as_tensors
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip
from vsr.data.targets import Encoder, Item, TargetSource, Teacher
from vsr.data.video_corruption import VideoCorruption

UNITS = "units"  # name of the modality


@dataclass(frozen=True)
class UnitSource:
    """Where a clip's units are stored: ``name`` in FOLDER/ID.safetensors, ``per_frame`` units per frame, below
    ``size``."""

    folder: str
    name: str
    size: int
    per_frame: int

    def frames(self, clip: Clip) -> int:
        """Number of video frames that the units of a clip cover. Raises VsrError bad_features."""
        from safetensors import SafetensorError, safe_open

        path = Path(self.folder) / f"{clip.id}.safetensors"
        try:
            with safe_open(str(path), framework="np") as stored:
                return int(stored.get_slice(self.name).get_shape()[0]) // self.per_frame
        except (OSError, SafetensorError) as error:
            raise VsrError("bad_features", f"{path} holds no readable '{self.name}': {cause_of(error)}") from error

    def read(self, clip: Clip) -> np.ndarray:
        """(T, N) int64. Raises VsrError bad_features, also where they are not a whole number of frames."""
        return read_frame_units(self.folder, clip, self.name, clip.num_frames, self.per_frame, 1, self.size)[..., 0]


class UnitDataset(CropDataset):
    """Clips with their units; the units set ``num_frames`` of each.

    Args:
        clips, tokenizer, seed, heads: as in `CropDataset`.
        source: where the units are.
        replaced: share of a training clip's units that are replaced at random, as units read from lips have errors.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, source: UnitSource, replaced: float = 0.0, seed: int = 0,
        heads: Mapping[str, TargetSource] | None = None,
    ):  # fmt: skip
        self.clips = [replace(clip, num_frames=source.frames(clip)) for clip in clips]
        if short := [clip.id for clip in self.clips if not clip.num_frames]:
            raise VsrError("bad_features", f"{len(short)} clips have not the units of one frame, such as {short[0]}")
        self.teacher = Teacher(tokenizer, heads)
        self.source, self.replaced, self.seed = source, replaced, seed
        self.augmentation, self.corruption = None, VideoCorruption()

    def item(self, index: int, epoch: int = 0) -> Item:
        """``units`` (T, N) of one clip, and its targets."""
        clip, rng = self.clips[index], np.random.default_rng((self.seed, epoch, index))
        units = self.source.read(clip)
        random_units = rng.integers(0, self.source.size, units.shape)
        units = np.where(rng.random(units.shape) < self.replaced, random_units, units)
        return Item({UNITS: torch.from_numpy(units)}, as_tensors(self.teacher(clip, clip.num_frames, rng)))
