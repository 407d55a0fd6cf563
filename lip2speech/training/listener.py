"""Training of a listener: natural mels with word times -> the word of each step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from lip2speech.features.stored import with_features
from lip2speech.inference.folder import ACOUSTIC, find_model, load_voice
from lip2speech.models.listener import SILENCE, Listener, ListenerConfig
from lip2speech.training.listener_data import ListenerDataConfig, ListenerDataset, words_of
from lip2speech.training.part_run import PartRun
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifests
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.training.config import RunConfig
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.model_settings import built, model_settings

ASSUMED = 51  # number of words where no list exists yet: that of GRID


@dataclass(frozen=True)
class ListenerTrainConfig(RunConfig):
    """Training configuration of a listener."""

    data: ListenerDataConfig


class ListenerRun(PartRun):
    """`vsr.training.loop.Run` with a `ListenerTrainConfig`."""

    train: ListenerDataset
    higher = ("dev_words",)

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, _ = read_lists(data)
        is_acoustic = data.voice and (Path(data.voice) / CONFIG_FILE).is_file()
        self.voice, _ = load_voice(Path(data.voice) if is_acoustic else find_model(data.voice or None) / ACOUSTIC)
        train, dev = (self._timed(name, clips) for name, clips in (("train", train), ("dev", dev)))
        self.words = words_of(train)
        self.train = ListenerDataset(train, data.features, self.words, self.voice.normalise, data, self.config.seed)
        self.dev = ListenerDataset(dev, data.features, self.words, self.voice.normalise)
        self.sampler = FrameBudgetSampler([clip.num_frames for clip in train], data.frames_per_batch, self.config.seed)

    def _timed(self, name: str, clips: list[Clip]) -> list[Clip]:
        """The clips that have features and word times. Raises VsrError where none has."""
        featured, why = with_features(clips, self.config.data.features)
        timed = [clip for clip in featured if clip.words]
        if not timed:
            raise VsrError("bad_features", f"{name}: no clip has features and times of words{why and ': ' + why}")
        if why or len(timed) < len(featured):
            self.say(f"{name}: {len(timed)} of {len(clips)} clips have features and times of words")
        return timed

    def _build_model(self) -> Listener:
        model = built(Listener, model_settings(ListenerConfig, self.config.model, words=self.words))
        model.mel_mean.copy_(self.voice.mel_mean)
        model.mel_deviation.copy_(self.voice.mel_deviation)
        return model

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Accuracy on all steps of dev clips, and on those in words."""
        right, counts = torch.zeros(2), torch.zeros(2)
        for index in range(len(self.dev.clips)):
            batch = self.dev.batch([index]).to(self.fabric.device)
            is_right = self.average.model(batch.pairs, batch.classes >= 0).argmax(-1) == batch.classes
            spoken = batch.classes > SILENCE
            right += torch.tensor([float(is_right.sum()), float(is_right[spoken].sum())])
            counts += torch.tensor([float(is_right.numel()), float(spoken.sum())])
        steps, words = (right / counts.clamp(min=1)).tolist()
        return {"dev_steps": steps, "dev_words": words if counts[1] else math.nan}


def listener_lines(config: ListenerTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech listener`, without data. Raises VsrError."""
    exists = all(Path(path).is_file() for path in config.data.train)
    words = words_of(read_manifests(config.data.train)) if exists else tuple(map(str, range(ASSUMED)))
    sizes = model_settings(ListenerConfig, config.model, words=words)
    model = on_meta(Listener, sizes)
    note = "of the training lists" if exists else "are assumed: the training lists are not made yet"
    yield f"model: {parameters(model):,} parameters, all of which are trained"
    yield from part_lines(model)
    yield f"learns which of {len(words)} words is said, 50 times a second; the words {note}"
    yield f"voice: {config.data.voice or 'the one that ships'}"
    yield from run_lines(config.data, config.optim, config.trainer)
