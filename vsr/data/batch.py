"""Cropped clips -> padded batches with named modalities, named targets and named counts.

Shapes: B clips, T frames of the longest, U tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK, IGNORE
from vsr.data.corruption import corrupted_crop
from vsr.data.crop_files import read_crop
from vsr.data.manifest import Clip, need_crops
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.targets import (
    FRAME_TOKENS,
    TOKENS,
    Encoder,
    Item,
    Target,
    TargetSource,
    Teacher,
    at_frames,
    frame_targets,
)
from vsr.data.transforms import Augmentation, speed_indices, to_network_input, trim_span
from vsr.data.video_corruption import VideoCorruption

__all__ = ["CLIPS", "SOUND", "TRACKS", "VIDEO", "Batch", "Counted", "CropDataset", "frame_targets"]

TRACKS, INSIDE = "tracks", "inside"  # names of modalities beside those of `vsr.data.modalities`
CLIPS = "clips"  # name of a count
Own = TypeVar("Own", bound="Counted")


@dataclass
class Counted:
    """A batch with named parts. shares: name of a count -> this rank's count over the mean of all ranks, () float;
    empty in a single process."""

    shares: dict[str, Tensor] = field(default_factory=dict, kw_only=True)

    def counts(self) -> dict[str, Tensor]:
        """The denominators of the loss terms, each () float; every batch of a run has the same names."""
        raise NotImplementedError

    @property
    def is_part(self) -> bool:
        """Whether its step has further batches, of other ranks or accumulated. The ranks wait for one another in every
        pass through the model, so an objective must take the same passes for each such batch and report the same
        figures."""
        return bool(self.shares)

    def share(self, count: str) -> Tensor | float:
        """The factor for a loss that is a mean over ``count``: the average over ranks is then the global mean."""
        return self.shares.get(count, 1.0)

    def to(self: Own, device: torch.device | str) -> Own:
        """The same batch on another device."""
        return replace(self, **{part.name: _to_device(getattr(self, part.name), device) for part in fields(self)})


def _to_device(value: Any, device: torch.device | str) -> Any:
    """Move a tensor, a batch or a mapping of them to another device; return anything else unchanged."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: _to_device(item, device) for name, item in value.items()}
    return value.to(device) if isinstance(value, Counted) else value


@dataclass
class Batch(Counted):
    """inputs: modality -> (B, T, ...), such as ``video`` (B, T, 1, 88, 88), ``sound`` (B, T, 4, 80) and ``tracks``
    (B, T, F), zero on padding; present: modality -> (B,) bool, which clips have it, for modalities that some may lack;
    lengths (B,) video frames; targets: name -> (B, ...), such as ``tokens`` (B, U) without eos and ``frame_tokens``
    (B, T), the token at each frame where word times are known, padded with -1; ids of the clips."""

    inputs: dict[str, Tensor]
    lengths: Tensor
    targets: dict[str, Tensor]
    ids: list[str]
    present: dict[str, Tensor] = field(default_factory=dict, kw_only=True)

    def has(self, modality: str) -> Tensor:
        """(B,) bool: which clips have a modality; every clip has an input that is not listed in ``present``."""
        is_input = torch.full_like(self.lengths, modality in self.inputs, dtype=torch.bool)
        return is_input & self.present[modality] if modality in self.present else is_input

    @property
    def video(self) -> Tensor:
        """(B, T, 1, 88, 88)."""
        return self.inputs[VIDEO]

    @property
    def tokens(self) -> Tensor:
        """(B, U)."""
        return self.targets[TOKENS]

    @property
    def token_lengths(self) -> Tensor:
        """(B,)."""
        return (self.tokens != IGNORE).sum(1)

    @property
    def frame_tokens(self) -> Tensor:
        """(B, T)."""
        return self.targets[FRAME_TOKENS]

    @property
    def inside(self) -> Tensor | None:
        """(B, T) from 0 to 1: the frames within words, zero for clips without word times; None if no clip has word
        times."""
        if INSIDE in self.inputs:
            return self.inputs[INSIDE]
        return self.frame_tokens > BLANK if FRAME_TOKENS in self.targets else None

    def counts(self) -> dict[str, Tensor]:
        """The number of clips and of known values of each target; a token target also counts one end per clip."""
        clips = self.lengths.new_tensor(len(self.lengths))
        known = {name: (values != IGNORE).sum() for name, values in self.targets.items()}
        ends = {name: clips for name in known if name.rpartition(".")[2] == TOKENS}
        return {name: (count + ends.get(name, 0)).float() for name, count in {CLIPS: clips, **known}.items()}

    def of(self, head: str) -> Batch:
        """The batch as an additional head sees it: its targets, HEAD.NAME, replace the shared ones called NAME."""
        prefix = f"{head}."
        targets, shares = (
            {name.removeprefix(prefix): value for name, value in mapping.items() if name.startswith(prefix)}
            for mapping in (self.targets, self.shares)
        )
        return replace(self, targets=self.targets | targets, shares=self.shares | shares) if targets else self


class CropDataset:
    """Clips with their mouth crops, as network input; the augmentation of clip i in epoch e is fixed by the seed.

    So an interrupted run resumes bit for bit, without saved states of random generators. ``heads``: name -> settings
    of additional heads, which make their targets of a clip. ``corruption``: of the crops, fixed likewise.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None, seed: int = 0,
        heads: Mapping[str, TargetSource] | None = None, corruption: VideoCorruption | None = None,
    ):  # fmt: skip
        need_crops(clips)
        self.clips = list(clips)
        self.teacher = Teacher(tokenizer, heads)
        self.augmentation = augmentation
        self.seed = seed
        self.corruption = corruption or VideoCorruption()

    def __len__(self) -> int:
        return len(self.clips)

    def crop(self, clip: Clip) -> np.ndarray:
        """The clip's (T, 96, 96) uint8 crop. Raises VsrError bad_manifest."""
        return crop_of(clip)

    def item(self, index: int, epoch: int = 0) -> Item:
        """``video`` (T, 1, 88, 88) of one clip, and its targets."""
        clip = self.clips[index]
        crop = self.crop(clip)
        targets = self.teacher(clip, len(crop), np.random.default_rng((self.seed, epoch, index, 1)))
        rng = np.random.default_rng((self.seed, epoch, index))
        if self.augmentation is not None and self.augmentation.speed:
            order = speed_indices(len(crop), self.augmentation.speed, rng)
            crop, targets = crop[order], at_frames(targets, order)
        if self.augmentation is not None and self.augmentation.trim:
            span = trim_span(targets[FRAME_TOKENS].values > BLANK, rng)
            crop, targets = crop[span], at_frames(targets, span)
        crop = corrupted_crop(crop, self.corruption, (self.seed, epoch, index))
        return Item({VIDEO: to_network_input(crop, self.augmentation, rng)}, as_tensors(targets))

    def batch(self, indices: Sequence[int], epoch: int = 0) -> Batch:
        """The padded batch of several clips."""
        items = [self.item(i, epoch) for i in indices]
        inputs = {name: [item.inputs[name] for item in items] for name in items[0].inputs}
        targets = {name: [item.targets[name] for item in items] for name in items[0].targets}
        lengths = torch.tensor([len(next(iter(item.inputs.values()))) for item in items])
        return Batch(_padded(inputs, 0), lengths, _padded(targets, IGNORE), [self.clips[i].id for i in indices])


def crop_of(clip: Clip) -> np.ndarray:
    """The stored (T, 96, 96) uint8 crop of a clip; an array is memory-mapped. Not kept open: a process may hold 65,530
    maps, and LRW has 488,766 training clips. Raises VsrError bad_manifest."""
    try:
        return read_crop(clip.crop)
    except (OSError, ValueError, EOFError) as error:
        raise VsrError("bad_manifest", f"cannot read the crop of {clip.id}: {error}: run vsr crop") from error


def as_tensors(targets: Mapping[str, Target]) -> dict[str, Tensor]:
    """The targets of a clip as tensors, by name."""
    return {name: torch.from_numpy(np.ascontiguousarray(target.values)) for name, target in targets.items()}


def _padded(named: Mapping[str, Sequence[Tensor]], value: float) -> dict[str, Tensor]:
    return {name: pad_sequence(list(tensors), batch_first=True, padding_value=value) for name, tensors in named.items()}
