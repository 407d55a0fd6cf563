"""Cropped clips -> padded batches of video and tokens.

Shapes: B clips, T frames of the longest, U tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip, need_crops
from vsr.data.stored import read_crop
from vsr.data.transforms import Augmentation, speed_indices, to_network_input, trim_span
from vsr.text.tokenizer import BLANK, Tokenizer


@dataclass
class Batch:
    """video (B, T, 1, 88, 88), lengths (B,), tokens (B, U) padded with -1 and without eos, token_lengths (B,),
    frame_tokens (B, T): the token at each frame where word times are known, else -1; ids of the clips;
    shares (3,): how many times the ranks' mean of each of `counts` this batch has, None in a single process."""

    video: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor
    frame_tokens: Tensor
    ids: list[str]
    shares: Tensor | None = None

    def counts(self) -> Tensor:
        """(3,) what the parts of a loss are means over: clips, tokens with their ends, frames with a token."""
        clips = self.lengths.new_tensor(len(self.lengths))
        tokens, frames = self.token_lengths.sum() + clips, (self.frame_tokens != IGNORE).sum()
        return torch.stack([clips, tokens, frames]).float()

    @property
    def inside(self) -> Tensor:
        """(B, T) bool: the frames in which a word is said, none where word times are not known."""
        return self.frame_tokens > BLANK

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved = {k: v.to(device, non_blocking=True) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return Batch(**moved, ids=self.ids)


def frame_targets(clip: Clip, num_frames: int, tokenizer: Tokenizer) -> np.ndarray:
    """The token of each frame, a word's tokens spread evenly over its time; blank in silence, -1 without times."""
    if not clip.words:
        return np.full(num_frames, IGNORE)
    targets = np.full(num_frames, BLANK)
    for word, start, end in clip.words:
        tokens = tokenizer.encode(word)
        first, last = start * FPS, max(end * FPS, start * FPS + 1)
        for frame in range(round(first), min(num_frames, round(last))):
            place = int((frame + 0.5 - first) / (last - first) * len(tokens))
            targets[frame] = tokens[min(max(place, 0), len(tokens) - 1)] if tokens else BLANK
    return targets


class CropDataset:
    """Clips with their mouth crops, as network input; the augmentation of clip i in epoch e is fixed by the seed.

    That makes an interrupted run resumable to the bit: no state of a random generator has to be carried over.
    """

    def __init__(self, clips: Sequence[Clip], tokenizer: Tokenizer, augmentation: Augmentation | None, seed: int = 0):
        need_crops(clips)
        self.clips = list(clips)
        self.tokenizer = tokenizer
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self) -> int:
        return len(self.clips)

    def crop(self, clip: Clip) -> np.ndarray:
        """The clip's (T, 96, 96) uint8 crop; an array is memory-mapped. Not kept open: a process may hold 65,530 maps,
        and LRW has 488,766 training clips."""
        try:
            return read_crop(clip.crop)
        except (OSError, ValueError, EOFError) as error:
            raise VsrError("bad_manifest", f"cannot read the crop of {clip.id}: {error}: run vsr crop") from error

    def item(self, index: int, epoch: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """video (T, 1, 88, 88), tokens (U,), frame_tokens (T,) of one clip."""
        clip = self.clips[index]
        crop = self.crop(clip)
        targets = frame_targets(clip, len(crop), self.tokenizer)
        rng = np.random.default_rng((self.seed, epoch, index))
        if self.augmentation is not None and self.augmentation.speed:
            order = speed_indices(len(crop), self.augmentation.speed, rng)
            crop, targets = crop[order], targets[order]
        if self.augmentation is not None and self.augmentation.trim:
            span = trim_span(targets > BLANK, rng)
            crop, targets = crop[span], targets[span]
        video = to_network_input(crop, self.augmentation, rng)
        return video, torch.tensor(self.tokenizer.encode(clip.text), dtype=torch.long), torch.from_numpy(targets)

    def batch(self, indices: Sequence[int], epoch: int = 0) -> Batch:
        """The padded batch of several clips."""
        videos, tokens, targets = zip(*(self.item(i, epoch) for i in indices), strict=True)
        return Batch(
            video=pad_sequence(videos, batch_first=True),
            lengths=torch.tensor([len(video) for video in videos]),
            tokens=pad_sequence(tokens, batch_first=True, padding_value=IGNORE),
            token_lengths=torch.tensor([len(own) for own in tokens]),
            frame_tokens=pad_sequence(targets, batch_first=True, padding_value=IGNORE),
            ids=[self.clips[i].id for i in indices],
        )
