"""Batches for the acoustic model from cropped clips and their speech features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_corrupted, is_heard, is_loaded, is_sequence
from lip2speech.features.stored import Features, StoredFeatures
from vsr.core.errors import VsrError
from vsr.core.progress import count_items
from vsr.data.batch import Batch, Counted, CropDataset
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.targets import Encoder
from vsr.data.transforms import Augmentation
from vsr.media.audio import read_wave

FRAME_BUDGET = 1200  # video frames that are encoded together
PROTOCOLS = ("cross", "self")
MAX_MEASURED = 4000  # clips from whose mels the statistics are computed, at most


class NoText:
    """Replaces the tokenizer of a lip reader that has none, or where no text is needed."""

    def encode(self, text: str) -> list[int]:
        """No tokens."""
        return []


@dataclass
class SpeechBatch(Counted):
    """lips: the lip reader's batch; mel (B, 4T, 80), the last real frame repeated over the padding; units (B, 2T),
    padded with -1; speaker (B, 256); visual (B, T, 2D): cached features of a frozen encoder (the batch then has no
    video); conditions: name -> (B, 2T, C) or (B, C), zero on padding."""

    lips: Batch
    mel: Tensor
    units: Tensor
    speaker: Tensor
    visual: Tensor | None = None
    conditions: dict[str, Tensor] = field(default_factory=dict)

    def counts(self) -> dict[str, Tensor]:
        """Number of video frames, over which the losses are averaged."""
        return {"frames": self.lips.lengths.sum().float()}


class SpeechDataset:
    """Clips with crops and features.

    Args:
        clips: cropped clips.
        features: folder of `lip2speech features`.
        tokenizer: of the lip reader; `NoText` where it has none.
        augmentation: of the crops (its speed must be 0: the sound is not stretched), or None.
        protocol: source of the speaker vector: "self", the clip itself, or "cross", another clip of the same speaker,
            so that the vector carries no information about the sentence.
        conditions: further conditions of the flow, by name.
    """

    def __init__(
        self, clips: Sequence[Clip], features: str | Path, tokenizer: Encoder, augmentation: Augmentation | None,
        protocol: str = "cross", seed: int = 0, conditions: Mapping[str, Condition] | None = None,
    ):  # fmt: skip
        if augmentation is not None and augmentation.speed:
            raise VsrError("bad_config", "data.augmentation.speed must be 0: the sound is not stretched with the clip")
        self.crops = self.visual_dataset(clips, tokenizer, augmentation, seed)
        self.clips, self.seed, self.protocol = list(clips), seed, protocol
        self.conditions = dict(conditions or {})
        self.measurements: dict[tuple[str, int], np.ndarray] = {}
        self.features = StoredFeatures(features, self.clips)
        self.indices = {clip.id: index for index, clip in enumerate(self.clips)}
        self.by_speaker: dict[str, list[int]] = {}
        for index, clip in enumerate(clips):
            self.by_speaker.setdefault(clip.speaker, []).append(index)

    def visual_dataset(self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None, seed: int):
        """The dataset of the visual input, the crops. Raises VsrError bad_manifest for clips without crops."""
        return CropDataset(clips, tokenizer, augmentation, seed)

    def __len__(self) -> int:
        return len(self.clips)

    def voice(self, index: int, epoch: int = 0) -> Tensor:
        """The speaker vector (256,) of clip ``index`` in ``epoch``."""
        other_clips = [i for i in self.by_speaker[self.clips[index].speaker] if i != index]
        if self.protocol == "self" or not other_clips:
            return self.features.speaker(index)
        return self.features.speaker(int(np.random.default_rng((self.seed, epoch, index, 1)).choice(other_clips)))

    def batch(self, indices: Sequence[int], epoch: int = 0) -> SpeechBatch:
        """The padded batch of several clips."""
        return self.with_speech(self.crops.batch(indices, epoch), indices, epoch)

    def with_speech(self, lips: Batch, indices: Sequence[int], epoch: int) -> SpeechBatch:
        """Add speech features to a batch of video."""
        items = [self.features[i] for i in indices]
        longest = max(len(item.mel) for item in items)
        mel = torch.stack([torch.cat([f.mel, f.mel[-1:].expand(longest - len(f.mel), -1)]) for f in items])
        units = pad_sequence([f.units for f in items], batch_first=True, padding_value=-1)
        conditions = {name: self._values(name, kind, items, indices, epoch) for name, kind in self.conditions.items()}
        speaker = torch.stack([self.voice(i, epoch) for i in indices])
        return SpeechBatch(lips, mel, units, speaker, conditions=conditions)

    def _value(self, name: str, condition: Condition, index: int, features: Features, epoch: int) -> np.ndarray:
        """The value of a condition for a clip; measurements of its audio are cached."""
        if is_corrupted(condition):
            rng = np.random.default_rng((self.seed, epoch, index, 4))
            return condition.corrupted(features, self.clips[index].id, list(self.indices), self._sound_of, rng)
        if is_heard(condition):
            if (name, index) not in self.measurements:
                self.measurements[name, index] = condition.heard(features)
            return self.measurements[name, index]
        if is_loaded(condition):
            return condition.load(self.clips[index], len(features.units))
        raise VsrError("bad_condition", f"the condition {name} has no method load, heard or corrupted")

    def _sound_of(self, name: str) -> np.ndarray:
        """The wave (S,) of a clip of the list, by its id, or of an audio file."""
        return self.features[self.indices[name]].wave.numpy() if name in self.indices else read_wave(name)

    def _values(
        self, name: str, condition: Condition, items: list[Features], indices: Sequence[int], epoch: int
    ) -> Tensor:
        """The padded values of a condition for several clips. Raises VsrError bad_condition for wrong shapes."""
        values = []
        for index, features in zip(indices, items, strict=True):
            steps = len(features.units)
            value = torch.as_tensor(np.asarray(self._value(name, condition, index, features, epoch), np.float32))
            length = max(1, len(value)) if is_sequence(condition) else steps
            expected = (length, condition.width) if condition.per_frame else (condition.width,)
            if tuple(value.shape) != expected or not value.isfinite().all():
                problem = f"{tuple(value.shape)}, or not finite, where {expected} is needed"
                raise VsrError("bad_condition", f"condition {name} of {self.clips[index].id} is {problem}")
            values.append(value)
        return pad_sequence(values, batch_first=True)

    def mel_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (80,) of each mel band over all clips, or over evenly spaced ones of many."""
        indices = np.linspace(0, len(self) - 1, min(len(self), MAX_MEASURED)).astype(int).tolist()
        mels = (self.features[index].mel.double() for index in indices)
        counts, sums, squared = zip(*((len(mel), mel.sum(0), (mel * mel).sum(0)) for mel in mels), strict=True)
        zero = torch.zeros(())
        count, total, squares = sum(counts), sum(sums, zero), sum(squared, zero)
        mean = total / count
        std = ((squares - count * mean**2) / (count - 1)).clamp(min=0.01).sqrt()
        return mean.float(), std.float()

    def mean_speaker(self) -> Tensor:
        """The mean vector (256,) of the speaker with the most clips: the default voice."""
        indices = max(self.by_speaker.values(), key=len)
        mean = torch.stack([self.features.speaker(i) for i in indices]).mean(0)
        return mean / mean.norm()


class CachedFeatures:
    """A `SpeechDataset` with cached visual features of a frozen encoder, in several augmented views.

    Args:
        dataset: of the clips.
        views: for each clip a list of visual features (T, 2D), from `cache_views`; an epoch draws one.
    """

    def __init__(self, dataset: SpeechDataset, views: list[list[Tensor]]):
        self.dataset, self.views = dataset, views

    def batch(self, indices: Sequence[int], epoch: int = 0) -> SpeechBatch:
        """The padded batch of several clips, without video."""
        rngs = [np.random.default_rng((self.dataset.seed, epoch, index, 2)) for index in indices]
        visual = [self.views[i][rng.integers(len(self.views[i]))].float() for i, rng in zip(indices, rngs, strict=True)]
        lengths = torch.tensor([len(features) for features in visual])
        ids = [self.dataset.clips[i].id for i in indices]
        video_batch = Batch({}, lengths, {}, ids)
        batch = self.dataset.with_speech(video_batch, indices, epoch)
        batch.visual = pad_sequence(visual, batch_first=True)
        return batch


def cache_views(dataset: SpeechDataset, encode: Callable[[Tensor, Tensor], Tensor], views: int) -> list[list[Tensor]]:
    """Visual features of every clip from ``encode`` (video, lengths), a list of (T, 2D) fp16, one for each view."""
    sampler = FrameBudgetSampler([clip.num_frames for clip in dataset.clips], FRAME_BUDGET, shuffle=False)
    features: list[list[Tensor]] = [[] for _ in dataset.clips]
    for view in count_items(range(views), "views", views):
        for indices in sampler.batches():
            batch = dataset.crops.batch(indices, view)
            visual = encode(batch.video, batch.lengths).half().cpu()
            for index, clip_features, length in zip(indices, visual, batch.lengths.tolist(), strict=True):
                features[index].append(clip_features[:length].clone())
    return features
