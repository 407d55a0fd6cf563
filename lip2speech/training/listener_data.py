"""Training data of a listener: natural mels with the word of each step.

During synthesis the listener scores unfinished mels, so the natural ones are augmented with blur, noise and gain.

Shapes: B batch, N steps of 50 Hz, P = 160.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lip2speech.features.stored import StoredFeatures
from lip2speech.models.content import MELS_PER_UNIT
from lip2speech.models.listener import SILENCE
from lip2speech.models.pull import STEPS
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.data.batch import Counted
from vsr.data.manifest import Clip
from vsr.training.config import check_lists
from vsr.training.loop import step_seed

BLUR = (0.3, 2.0)  # standard deviations in mel frames
REACH = 6  # mel frames to each side that a blur takes in


@dataclass(frozen=True)
class ListenerDataConfig:
    """Manifests with word times, the folder of their features, and the voice that the listener will pull ("": the
    shipped one), or the folder of its acoustic model, whose normalisation of mels is used; ``tests`` as in
    `lip2speech.training.acoustic`.

    ``blur``: share of clips blurred in time; ``noise``: the largest standard deviation of the noise added to
    normalised mels; ``loudness``, ``tilt``: standard deviations of an offset common to all bands, and of one per band.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    tests: tuple[str, ...] = ()
    voice: str = ""
    frames_per_batch: int = 600
    blur: float = 0.6
    noise: float = 0.3
    loudness: float = 0.2
    tilt: float = 0.15

    def __post_init__(self):
        check_lists(self.train, self.dev)
        levels = dict.fromkeys(("noise", "loudness", "tilt"), NOT_NEGATIVE)
        check_numbers(self, "data.", "bad_config", frames_per_batch=COUNT, blur=SHARE, **levels)


@dataclass
class ListenerBatch(Counted):
    """pairs (B, N, P) normalised; classes (B, N), -1 on padding."""

    pairs: Tensor
    classes: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Number of steps, over which the loss is averaged."""
        return {"steps": (self.classes >= 0).sum().float()}


class ListenerDataset:
    """Natural mels with the class of each step; seed, epoch and clip determine the augmentation.

    Args:
        clips: with word times.
        normalise: log-mel (1, 4T, 80) -> pairs (1, 2T, 160).
        data: settings of the augmentation; None: no augmentation.
    """

    def __init__(self, clips: Sequence[Clip], features: str, words: Sequence[str], normalise, data=None, seed: int = 0):
        self.clips, self.features, self.data, self.seed = list(clips), StoredFeatures(features, clips), data, seed
        self.normalise = normalise
        self.classes = {word: number for number, word in enumerate(words, 1)}

    def batch(self, indices: Sequence[int], epoch: int = 0) -> ListenerBatch:
        """The padded batch of several clips."""
        pairs, classes = zip(*(self._item(index, epoch) for index in indices), strict=True)
        padded = pad_sequence(list(classes), batch_first=True, padding_value=-1)
        return ListenerBatch(pad_sequence(list(pairs), batch_first=True), padded)

    def _item(self, index: int, epoch: int) -> tuple[Tensor, Tensor]:
        """The pairs (N, P) and classes (N,) of a clip."""
        pairs = self.normalise(self.features[index].mel[None])[0]
        if self.data is not None:
            pairs = augment(pairs, self.data, torch.Generator().manual_seed(step_seed(self.seed, epoch, index)))
        return pairs, classes_of(self.clips[index], len(pairs), self.classes)


def words_of(clips: Sequence[Clip]) -> tuple[str, ...]:
    """All distinct words of clips that have word times."""
    return tuple(sorted({word for clip in clips for word, *_ in clip.words}))


def classes_of(clip: Clip, steps: int, classes: dict[str, int]) -> Tensor:
    """The class of each step of a clip, (steps,)."""
    labels = torch.full((steps,), SILENCE)
    for word, start, end in clip.words:
        labels[max(0, round(start * STEPS)) : round(end * STEPS)] = classes.get(word, SILENCE)
    return labels


def augment(pairs: Tensor, data: ListenerDataConfig, generator: torch.Generator) -> Tensor:
    """Augment pairs (N, P) with blur in time, noise, and offsets of loudness for all bands and for each."""

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def share() -> float:
        return float(torch.rand((), generator=generator))

    mel = pairs.unflatten(1, (MELS_PER_UNIT, -1)).flatten(0, 1)
    blurred, width, level = share() < data.blur, BLUR[0] + (BLUR[1] - BLUR[0]) * share(), data.noise * share()
    if blurred:
        mel = _blur(mel, width)
    mel = mel + data.loudness * drawn(1) + data.tilt * drawn(mel.shape[1]) + level * drawn(*mel.shape)
    return mel.unflatten(0, (-1, MELS_PER_UNIT)).flatten(1)


def _blur(mel: Tensor, std: float) -> Tensor:
    """Smooth a mel (n, bands) over time with a Gaussian; the first and last frame are repeated at the ends."""
    kernel = torch.exp(-0.5 * (torch.arange(-REACH, REACH + 1) / std) ** 2)
    padded = nn.functional.pad(mel.T[:, None], (REACH, REACH), mode="replicate")
    return nn.functional.conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0].T
