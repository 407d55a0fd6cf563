"""Cropped clips with their speech features -> batches for the acoustic model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_corrupted, is_heard, is_sequence
from lip2speech.features.stored import Features, StoredFeatures
from vsr.core.errors import VsrError
from vsr.core.progress import counted
from vsr.data.batch import Batch, Counted, CropDataset
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.targets import Encoder
from vsr.data.transforms import Augmentation
from vsr.media.audio import read_wave

FRAME_BUDGET = 1200  # video frames that are looked at together
PROTOCOLS = ("cross", "self")
MEASURED = 4000  # clips whose mels make the statistics, at most


class NoText:
    """Stands for the tokenizer of a lip reader that has none, or where no text is read."""

    def encode(self, text: str) -> list[int]:
        """No tokens."""
        return []


@dataclass
class SpeechBatch(Counted):
    """seen: the lip reader's batch; mel (B, 4T, 80), the last real frame repeated over the padding; units (B, 2T),
    padded with -1; speaker (B, 256); visual (B, T, 2D) where a frozen encoder made them before (the batch then has
    no video); conditions: name -> (B, 2T, C) or (B, C), zero on padding."""

    seen: Batch
    mel: Tensor
    units: Tensor
    speaker: Tensor
    visual: Tensor | None = None
    conditions: dict[str, Tensor] = field(default_factory=dict)

    def counts(self) -> dict[str, Tensor]:
        """Video frames, which the parts of the loss are means over."""
        return {"frames": self.seen.lengths.sum().float()}


class SpeechDataset:
    """Clips with crops and features.

    Args:
        clips: cropped clips.
        features: folder of `lip2speech features`.
        tokenizer: of the lip reader; `NoText` where it has none.
        augmentation: of the crops (its speed must be 0: the sound does not stretch), or None.
        protocol: whose voice is given: "self", the clip's own, or "cross", another clip's of the same speaker, so
            that the vector can say nothing to the model about the sentence.
        conditions: further ones of the flow, by name.
    """

    def __init__(
        self, clips: Sequence[Clip], features: str | Path, tokenizer: Encoder, augmentation: Augmentation | None,
        protocol: str = "cross", seed: int = 0, conditions: Mapping[str, Condition] | None = None,
    ):  # fmt: skip
        if augmentation is not None and augmentation.speed:
            raise VsrError("bad_config", "data.augmentation.speed must be 0: the sound is not stretched with the clip")
        self.crops = self.seen_of(clips, tokenizer, augmentation, seed)
        self.clips, self.seed, self.protocol = list(clips), seed, protocol
        self.conditions = dict(conditions or {})
        self.heard: dict[tuple[str, int], np.ndarray] = {}
        self.features = StoredFeatures(features, self.clips)
        self.places = {clip.id: index for index, clip in enumerate(self.clips)}
        self.by_speaker: dict[str, list[int]] = {}
        for index, clip in enumerate(clips):
            self.by_speaker.setdefault(clip.speaker, []).append(index)

    def seen_of(self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None, seed: int):
        """Where what is seen comes from: the crops. Raises VsrError bad_manifest for clips without."""
        return CropDataset(clips, tokenizer, augmentation, seed)

    def __len__(self) -> int:
        return len(self.clips)

    def voice(self, index: int, epoch: int = 0) -> Tensor:
        """The speaker vector (256,) that clip ``index`` is given in ``epoch``."""
        others = [other for other in self.by_speaker[self.clips[index].speaker] if other != index]
        if self.protocol == "self" or not others:
            return self.features.speaker(index)
        return self.features.speaker(int(np.random.default_rng((self.seed, epoch, index, 1)).choice(others)))

    def batch(self, indices: Sequence[int], epoch: int = 0) -> SpeechBatch:
        """The padded batch of several clips."""
        return self.with_speech(self.crops.batch(indices, epoch), indices, epoch)

    def with_speech(self, seen: Batch, indices: Sequence[int], epoch: int) -> SpeechBatch:
        """The video's batch with its speech."""
        own = [self.features[i] for i in indices]
        longest = max(len(each.mel) for each in own)
        mel = torch.stack([torch.cat([f.mel, f.mel[-1:].expand(longest - len(f.mel), -1)]) for f in own])
        units = pad_sequence([f.units for f in own], batch_first=True, padding_value=-1)
        conditions = {name: self._values(name, kind, own, indices, epoch) for name, kind in self.conditions.items()}
        speaker = torch.stack([self.voice(i, epoch) for i in indices])
        return SpeechBatch(seen, mel, units, speaker, conditions=conditions)

    def _value(self, name: str, condition: Condition, index: int, features: Features, epoch: int) -> np.ndarray:
        """One condition of one clip; what is measured in its sound is measured once."""
        if is_corrupted(condition):
            rng = np.random.default_rng((self.seed, epoch, index, 4))
            return condition.corrupted(features, self.clips[index].id, list(self.places), self._sound_of, rng)
        if not is_heard(condition):
            return condition.load(self.clips[index], len(features.units))
        if (name, index) not in self.heard:
            self.heard[name, index] = condition.heard(features)
        return self.heard[name, index]

    def _sound_of(self, name: str) -> np.ndarray:
        """The wave (S,) of a clip of the list, by its id, or of a sound file."""
        return self.features[self.places[name]].wave.numpy() if name in self.places else read_wave(name)

    def _values(
        self, name: str, condition: Condition, known: list[Features], indices: Sequence[int], epoch: int
    ) -> Tensor:
        """One condition of several clips. Raises VsrError bad_condition for one of another shape."""
        found = []
        for index, features in zip(indices, known, strict=True):
            steps = len(features.units)
            own = torch.as_tensor(np.asarray(self._value(name, condition, index, features, epoch), np.float32))
            length = max(1, len(own)) if is_sequence(condition) else steps
            expected = (length, condition.width) if condition.per_frame else (condition.width,)
            if tuple(own.shape) != expected or not own.isfinite().all():
                problem = f"{tuple(own.shape)}, or not finite, where {expected} is needed"
                raise VsrError("bad_condition", f"condition {name} of {self.clips[index].id} is {problem}")
            found.append(own)
        return pad_sequence(found, batch_first=True)

    def mel_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (80,) of each mel band over all clips, or evenly chosen ones of many."""
        chosen = np.linspace(0, len(self) - 1, min(len(self), MEASURED)).astype(int).tolist()
        mels = (self.features[index].mel.double() for index in chosen)
        counts, sums, squared = zip(*((len(mel), mel.sum(0), (mel * mel).sum(0)) for mel in mels), strict=True)
        zero = torch.zeros(())
        count, total, squares = sum(counts), sum(sums, zero), sum(squared, zero)
        mean = total / count
        std = ((squares - count * mean**2) / (count - 1)).clamp(min=0.01).sqrt()
        return mean.float(), std.float()

    def mean_speaker(self) -> Tensor:
        """The vector (256,) of the speaker with the most clips: the voice where none is asked for."""
        most = max(self.by_speaker.values(), key=len)
        mean = torch.stack([self.features.speaker(i) for i in most]).mean(0)
        return mean / mean.norm()


class CachedFeatures:
    """A `SpeechDataset` whose visual features a frozen encoder made beforehand, in several augmented views.

    Args:
        dataset: of the clips.
        views: of each clip a list of visual features (T, 2D), as `cache_views` makes them; an epoch draws one.
    """

    def __init__(self, dataset: SpeechDataset, views: list[list[Tensor]]):
        self.dataset, self.views = dataset, views

    def batch(self, indices: Sequence[int], epoch: int = 0) -> SpeechBatch:
        """The padded batch of several clips, without video."""
        rngs = [np.random.default_rng((self.dataset.seed, epoch, index, 2)) for index in indices]
        chosen = [self.views[i][rng.integers(len(self.views[i]))].float() for i, rng in zip(indices, rngs, strict=True)]
        lengths = torch.tensor([len(own) for own in chosen])
        ids = [self.dataset.clips[i].id for i in indices]
        seen = Batch({}, lengths, {}, ids)
        batch = self.dataset.with_speech(seen, indices, epoch)
        batch.visual = pad_sequence(chosen, batch_first=True)
        return batch


def cache_views(dataset: SpeechDataset, encode: Callable[[Tensor, Tensor], Tensor], views: int) -> list[list[Tensor]]:
    """Visual features of every clip by ``encode`` (video, lengths), once a view: a list of (T, 2D) fp16 each."""
    sampler = FrameBudgetSampler([clip.num_frames for clip in dataset.clips], FRAME_BUDGET, shuffle=False)
    seen: list[list[Tensor]] = [[] for _ in dataset.clips]
    for view in counted(range(views), "views", views):
        for indices in sampler.batches():
            batch = dataset.crops.batch(indices, view)
            visual = encode(batch.video, batch.lengths).half().cpu()
            for index, own, length in zip(indices, visual, batch.lengths.tolist(), strict=True):
                seen[index].append(own[:length].clone())
    return seen
