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
from vsr.data.manifest import Clip, need_crops
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.stored import read_crop
from vsr.data.targets import FRAME_TOKENS, TOKENS, Encoder, Item, Target, Taught, Teacher, at_frames, frame_targets
from vsr.data.transforms import Augmentation, speed_indices, to_network_input, trim_span
from vsr.data.video_corruption import VideoCorruption

__all__ = ["CLIPS", "SOUND", "TRACKS", "VIDEO", "Batch", "Counted", "CropDataset", "frame_targets"]

TRACKS, INSIDE = "tracks", "inside"  # names of modalities beside those of `vsr.data.modalities`
CLIPS = "clips"  # name of a count
Own = TypeVar("Own", bound="Counted")


@dataclass
class Counted:
    """A batch whose parts have names. shares: name of a count -> how many times the ranks' mean of it this batch has,
    (), empty in a single process."""

    shares: dict[str, Tensor] = field(default_factory=dict, kw_only=True)

    def counts(self) -> dict[str, Tensor]:
        """What the parts of a loss are means over, each () float; all batches of a run have the same names."""
        raise NotImplementedError

    def share(self, count: str) -> Tensor | float:
        """What a loss that is a mean over ``count`` is multiplied by, so that the ranks' mean is that of them all."""
        return self.shares.get(count, 1.0)

    def to(self: Own, device: torch.device | str) -> Own:
        """The same batch on another device."""
        return replace(self, **{own.name: _moved(getattr(self, own.name), device) for own in fields(self)})


def _moved(value: Any, device: torch.device | str) -> Any:
    """A tensor, a batch, or a mapping of them on another device; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: _moved(own, device) for name, own in value.items()}
    return value.to(device) if isinstance(value, Counted) else value


@dataclass
class Batch(Counted):
    """inputs: modality -> (B, T, ...), such as ``video`` (B, T, 1, 88, 88), ``sound`` (B, T, 4, 80) and ``tracks``
    (B, T, F), zero on padding; present: modality -> (B,) bool, the clips that have it, for those that some may lack;
    lengths (B,) video frames; targets: name -> (B, ...), such as ``tokens`` (B, U) without eos and ``frame_tokens``
    (B, T), the token at each frame where word times are known, padded with -1; ids of the clips."""

    inputs: dict[str, Tensor]
    lengths: Tensor
    targets: dict[str, Tensor]
    ids: list[str]
    present: dict[str, Tensor] = field(default_factory=dict, kw_only=True)

    def has(self, modality: str) -> Tensor:
        """(B,) bool: the clips that have a modality; all of them where nobody says that some lack it."""
        known = torch.full_like(self.lengths, modality in self.inputs, dtype=torch.bool)
        return known & self.present[modality] if modality in self.present else known

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
        """(B, T) from 0 to 1: the frames in which a word is said, none where word times are not known; None: nothing is
        known of any."""
        if INSIDE in self.inputs:
            return self.inputs[INSIDE]
        return self.frame_tokens > BLANK if FRAME_TOKENS in self.targets else None

    def counts(self) -> dict[str, Tensor]:
        """Clips, and of each target its known values; of tokens with the end of each clip."""
        clips = self.lengths.new_tensor(len(self.lengths))
        known = {name: (own != IGNORE).sum() for name, own in self.targets.items()}
        ends = {name: clips for name in known if name.rpartition(".")[2] == TOKENS}
        return {name: (own + ends.get(name, 0)).float() for name, own in {CLIPS: clips, **known}.items()}

    def of(self, head: str) -> Batch:
        """The batch as a further head sees it: its own targets, HEAD.NAME, are called NAME, in place of the shared."""
        before = f"{head}."
        own, shares = (
            {name.removeprefix(before): value for name, value in named.items() if name.startswith(before)}
            for named in (self.targets, self.shares)
        )
        return replace(self, targets=self.targets | own, shares=self.shares | shares) if own else self


class CropDataset:
    """Clips with their mouth crops, as network input; the augmentation of clip i in epoch e is fixed by the seed.

    That makes an interrupted run resumable to the bit: no state of a random generator has to be carried over.
    ``heads``: name -> settings of further heads, which say what they are taught of a clip. ``corruption``: of the
    crops, fixed likewise.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None, seed: int = 0,
        heads: Mapping[str, Taught] | None = None, corruption: VideoCorruption | None = None,
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
        """The clip's (T, 96, 96) uint8 crop; an array is memory-mapped. Not kept open: a process may hold 65,530 maps,
        and LRW has 488,766 training clips. Raises VsrError bad_manifest."""
        try:
            return read_crop(clip.crop)
        except (OSError, ValueError, EOFError) as error:
            raise VsrError("bad_manifest", f"cannot read the crop of {clip.id}: {error}: run vsr crop") from error

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
        inputs = {name: [own.inputs[name] for own in items] for name in items[0].inputs}
        targets = {name: [own.targets[name] for own in items] for name in items[0].targets}
        lengths = torch.tensor([len(next(iter(own.inputs.values()))) for own in items])
        return Batch(_padded(inputs, 0), lengths, _padded(targets, IGNORE), [self.clips[i].id for i in indices])


def as_tensors(targets: Mapping[str, Target]) -> dict[str, Tensor]:
    """The targets of a clip as a batch takes them."""
    return {name: torch.from_numpy(np.ascontiguousarray(own.values)) for name, own in targets.items()}


def _padded(named: Mapping[str, Sequence[Tensor]], value: float) -> dict[str, Tensor]:
    return {name: pad_sequence(list(own), batch_first=True, padding_value=value) for name, own in named.items()}
