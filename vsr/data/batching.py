"""Manifests -> batches of about equal numbers of frames.

Shapes: B clips, T frames of the longest, U tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from vsr.clock import FPS
from vsr.data.manifest import Clip, need_crops
from vsr.errors import VsrError
from vsr.text.tokenizer import BLANK, Tokenizer
from vsr.video.transforms import Augmentation, speed_indices, to_network_input, trim_span

IGNORE = -1


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
        """The clip's (T, 96, 96) uint8 crop, memory-mapped. Not kept open: a process may hold 65,530 maps, and LRW
        has 488,766 training clips."""
        try:
            return np.load(clip.crop, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
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
        return video, torch.tensor(self.tokenizer.encode(clip.text)), torch.from_numpy(targets)

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


class FrameBudgetSampler:
    """Batches of clips of like length, of at most ``frame_budget`` frames with their padding.

    The order depends on seed and epoch alone, so position k of an epoch is the same in every run.
    """

    def __init__(self, lengths: Sequence[int], frame_budget: int, seed: int = 0, shuffle: bool = True):
        if max(lengths) > frame_budget:
            raise VsrError(
                "bad_config", f"a clip of {max(lengths)} frames is over the budget of {frame_budget} frames a batch"
            )
        self.lengths = np.asarray(lengths)
        self.frame_budget = frame_budget
        self.seed = seed
        self.shuffle = shuffle
        self._known: dict[int, list[list[int]]] = {}  # of the epoch asked for last

    def batches(self, epoch: int = 0) -> list[list[int]]:
        """The batches of one epoch: every clip once."""
        if epoch not in self._known:
            self._known = {epoch: self._new_batches(epoch)}
        return self._known[epoch]

    def _new_batches(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng((self.seed, epoch))
        jitter = rng.random(len(self.lengths)) if self.shuffle else np.zeros(len(self.lengths))
        order = np.lexsort((jitter, self.lengths))
        batches = list(self._cut(order.tolist()))
        if self.shuffle:
            rng.shuffle(batches)
        return batches

    def _cut(self, order: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        lengths = self.lengths.tolist()
        for index in order:  # by rising length: the newest is the longest
            if batch and (len(batch) + 1) * lengths[index] > self.frame_budget:
                yield batch
                batch = []
            batch.append(index)
        yield batch

    def padding_share(self, epoch: int = 0) -> float:
        """Share of padded frames in an epoch's batches."""
        padded = sum(len(b) * self.lengths[b].max() for b in self.batches(epoch))
        return 1 - self.lengths.sum() / padded


def planned_batches(dataset, plan: Sequence[list[int]], epoch: int, workers: int = 0) -> DataLoader:
    """``dataset.batch`` of each list of indices in turn, prepared by so many processes; an empty list gives clip 0.

    What a clip is refused for is yielded as a VsrError, since an exception would lose its message on the way.
    """
    context = "fork" if workers else None  # the manifest is not copied, and a worker is there at once
    plan = _Plan(dataset, plan, epoch)
    return DataLoader(plan, batch_size=None, num_workers=workers, multiprocessing_context=context)


class _Plan(Dataset):
    """The batches of an epoch by their number."""

    def __init__(self, dataset, plan: Sequence[list[int]], epoch: int):
        self.dataset, self.plan, self.epoch = dataset, plan, epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int):
        try:
            return self.dataset.batch(self.plan[number] or [0], self.epoch)
        except VsrError as error:
            return error


def deal(batches: Sequence[list[int]], ranks: int) -> list[list[int]]:
    """At most ``ranks`` batches -> one for each rank: where some are missing, the batches with most clips are halved.

    Every clip stays, once. A rank gets an empty batch only where there are fewer clips than ranks.
    """
    dealt = list(batches)
    while len(dealt) < ranks and max(map(len, dealt)) > 1:
        most = max(range(len(dealt)), key=lambda place: len(dealt[place]))
        dealt[most : most + 1] = [dealt[most][::2], dealt[most][1::2]]
    return dealt + [[]] * (ranks - len(dealt))
