"""Training a listener: natural mels with the times of their words -> which word is said at each step.

What it is to score while speaking are mels that are not yet done, so it hears natural ones blurred, noisy and louder.
Shapes: B batch, N steps of 50 Hz, P = 160.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lip2speech.features.stored import StoredFeatures, with_features
from lip2speech.inference.folder import ACOUSTIC, find_model, load_voice
from lip2speech.models.content import MELS_PER_UNIT
from lip2speech.models.listener import SILENCE, Listener, ListenerConfig
from lip2speech.models.pull import STEPS
from lip2speech.training.part_run import PartRun
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.data.batch import Counted
from vsr.data.manifest import Clip, read_manifests
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.training.config import RunConfig, check_lists
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.loop import step_seed
from vsr.training.model_settings import built, model_settings

BLUR = (0.3, 2.0)  # standard deviations in mel frames
ASSUMED = 51  # words where no list is there to say them: GRID's
REACH = 6  # mel frames to each side that a blur takes in


@dataclass(frozen=True)
class ListenerDataConfig:
    """Manifests with the times of words, the folder of their features, and the voice that is to be pulled ("": the
    shipped one), or its acoustic model alone, whose normalisation of mels is used; ``tests`` as in
    `lip2speech.training.acoustic`.

    ``blur``: share of clips blurred in time; ``noise``: the largest standard deviation of the noise added to
    normalised mels; ``loudness``, ``tilt``: standard deviations of offsets of all bands and of each.
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


@dataclass(frozen=True)
class ListenerTrainConfig(RunConfig):
    """Of a listener."""

    data: ListenerDataConfig


@dataclass
class ListenerBatch(Counted):
    """pairs (B, N, P) normalised; classes (B, N), -1 on padding."""

    pairs: Tensor
    classes: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Steps, which the loss is a mean over."""
        return {"steps": (self.classes >= 0).sum().float()}


class HeardClips:
    """Natural mels with the class of each step; how clip i is spoilt in epoch e the seed decides.

    Args:
        clips: with the times of their words.
        normalise: log-mel (1, 4T, 80) -> pairs (1, 2T, 160).
        data: how they are spoilt; None: not at all.
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
        """pairs (N, P), classes (N,)."""
        pairs = self.normalise(self.features[index].mel[None])[0]
        if self.data is not None:
            pairs = spoilt(pairs, self.data, torch.Generator().manual_seed(step_seed(self.seed, epoch, index)))
        return pairs, classes_of(self.clips[index], len(pairs), self.classes)


def words_of(clips: Sequence[Clip]) -> tuple[str, ...]:
    """All words of clips whose times are known, each once."""
    return tuple(sorted({word for clip in clips for word, *_ in clip.words}))


def classes_of(clip: Clip, steps: int, classes: dict[str, int]) -> Tensor:
    """(steps,) the class of each step of a clip."""
    found = torch.full((steps,), SILENCE)
    for word, start, end in clip.words:
        found[max(0, round(start * STEPS)) : round(end * STEPS)] = classes.get(word, SILENCE)
    return found


def spoilt(pairs: Tensor, data: ListenerDataConfig, generator: torch.Generator) -> Tensor:
    """Pairs (N, P) blurred in time, noisy, louder or softer, in all bands and in each."""

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


def _blur(mel: Tensor, deviation: float) -> Tensor:
    """mel (n, bands) smoothed over time by a Gaussian; the ends are held."""
    kernel = torch.exp(-0.5 * (torch.arange(-REACH, REACH + 1) / deviation) ** 2)
    held = nn.functional.pad(mel.T[:, None], (REACH, REACH), mode="replicate")
    return nn.functional.conv1d(held, (kernel / kernel.sum())[None, None])[:, 0].T


class ListenerRun(PartRun):
    """`vsr.training.loop.Run` with a `ListenerTrainConfig`."""

    train: HeardClips

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, _ = read_lists(data)
        alone = data.voice and (Path(data.voice) / CONFIG_FILE).is_file()
        self.voice, _ = load_voice(Path(data.voice) if alone else find_model(data.voice or None) / ACOUSTIC)
        train, dev = (self._timed(name, clips) for name, clips in (("train", train), ("dev", dev)))
        self.words = words_of(train)
        self.train = HeardClips(train, data.features, self.words, self.voice.normalise, data, self.config.seed)
        self.dev = HeardClips(dev, data.features, self.words, self.voice.normalise)
        self.sampler = FrameBudgetSampler([clip.num_frames for clip in train], data.frames_per_batch, self.config.seed)

    def _timed(self, name: str, clips: list[Clip]) -> list[Clip]:
        """The clips that have features and times of words. Raises VsrError where none has."""
        kept, why = with_features(clips, self.config.data.features)
        timed = [clip for clip in kept if clip.words]
        if not timed:
            raise VsrError("bad_features", f"{name}: no clip has features and times of words{why and ': ' + why}")
        if why or len(timed) < len(kept):
            self.say(f"{name}: {len(timed)} of {len(clips)} clips have features and times of words")
        return timed

    def _build_model(self) -> Listener:
        model = built(Listener, model_settings(ListenerConfig, self.config.model, words=self.words))
        model.mel_mean.copy_(self.voice.mel_mean)
        model.mel_deviation.copy_(self.voice.mel_deviation)
        return model

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Share of the steps of dev clips, and of those in words, whose class is right."""
        right, counts = torch.zeros(2), torch.zeros(2)
        for index in range(len(self.dev.clips)):
            batch = self.dev.batch([index]).to(self.fabric.device)
            found = self.average.model(batch.pairs, batch.classes >= 0).argmax(-1) == batch.classes
            spoken = batch.classes > SILENCE
            right += torch.tensor([float(found.sum()), float(found[spoken].sum())])
            counts += torch.tensor([float(found.numel()), float(spoken.sum())])
        steps, words = (right / counts.clamp(min=1)).tolist()
        return {"dev_steps": steps, "dev_words": words if counts[1] else math.nan}


def listener_lines(config: ListenerTrainConfig) -> Iterator[str]:
    """What `lip2speech listener` would train, without data. Raises VsrError."""
    there = all(Path(path).is_file() for path in config.data.train)
    words = words_of(read_manifests(config.data.train)) if there else tuple(map(str, range(ASSUMED)))
    sizes = model_settings(ListenerConfig, config.model, words=words)
    model = on_meta(Listener, sizes)
    note = "of the training lists" if there else "are assumed: the training lists are not made yet"
    yield f"model: {parameters(model):,} parameters, all of which are trained"
    yield from part_lines(model)
    yield f"learns which of {len(words)} words is said, 50 times a second; the words {note}"
    yield f"voice: {config.data.voice or 'the one that ships'}"
    yield from run_lines(config.data, config.optim, config.trainer)
