"""Training of the face-to-voice model: mouth crops -> the speaker vectors of their clips.

Shapes: B clips, K frames of each, D = 256.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.features.stored import StoredFeatures, with_features
from lip2speech.models.face_voice import FaceVoice, FaceVoiceConfig, evenly_spaced
from lip2speech.training.part_run import PartRun
from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_numbers
from vsr.data.batch import Counted, crop_of
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.training.config import RunConfig, check_lists
from vsr.training.dry_run import on_meta, parameters, run_lines
from vsr.training.loop import step_seed
from vsr.training.model_settings import built, model_settings


@dataclass(frozen=True)
class FaceDataConfig:
    """Manifests of crops and the folder of their features, with the target speaker vectors; ``tests`` as in
    `lip2speech.training.acoustic`. Speakers of the dev list must not be in training lists. ``clips``: per batch."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    tests: tuple[str, ...] = ()
    clips: int = 32

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", clips=Range(least=2))


@dataclass(frozen=True)
class FaceTrainConfig(RunConfig):
    """Training configuration of a face-to-voice model."""

    data: FaceDataConfig


@dataclass
class FaceBatch(Counted):
    """crops (B, K, 96, 96), mask (B, K), vectors (B, D) of unit length, speakers (B,) as numbers."""

    crops: Tensor
    mask: Tensor
    vectors: Tensor
    speakers: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Number of clips, over which the loss is averaged."""
        return {"clips": torch.tensor(float(len(self.crops)))}


class FaceClips:
    """Some frames of each clip with its speaker's vector; in training the seed determines which frames, and whether
    they are mirrored.

    Args:
        frames: of a clip; seed: of the random choice, None for evenly spaced frames.
    """

    def __init__(self, clips: Sequence[Clip], features: str, frames: int, seed: int | None = None):
        self.clips, self.features, self.frames, self.seed = list(clips), StoredFeatures(features, clips), frames, seed
        names = sorted({clip.speaker for clip in clips})
        self.numbers = {name: number for number, name in enumerate(names)}

    def batch(self, indices: Sequence[int], epoch: int = 0) -> FaceBatch:
        """The padded batch of several clips."""
        crops = [self._crops(index, epoch) for index in indices]
        mask = pad_sequence([torch.ones(len(frames), dtype=torch.bool) for frames in crops], batch_first=True)
        vectors = torch.stack([self.features.speaker(index).float() for index in indices])
        speakers = torch.tensor([self.numbers[self.clips[index].speaker] for index in indices])
        return FaceBatch(pad_sequence(crops, batch_first=True), mask, vectors, speakers)

    def _crops(self, index: int, epoch: int) -> Tensor:
        """The chosen crops of a clip (K, 96, 96) float."""
        stored = crop_of(self.clips[index])
        indices = evenly_spaced(len(stored), self.frames)
        if self.seed is None:
            return torch.from_numpy(np.array(stored[indices])).float()
        generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, index))
        indices = torch.randperm(len(stored), generator=generator)[: self.frames].sort().values
        crops = torch.from_numpy(np.array(stored[indices])).float()
        return crops.flip(2) if torch.rand((), generator=generator) < 0.5 else crops


class FaceRun(PartRun):
    """`vsr.training.loop.Run` with a `FaceTrainConfig`."""

    train: FaceClips
    counted = "clips"
    chosen_by = "dev_cosine"
    higher = ("dev_cosine",)

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, _ = read_lists(data)
        self.settings = model_settings(FaceVoiceConfig, self.config.model)
        train, dev = (self._featured(name, clips) for name, clips in (("train", train), ("dev", dev)))
        if shared := {clip.speaker for clip in train} & {clip.speaker for clip in dev}:
            raise VsrError(
                "bad_config", f"{sorted(shared)[0]} is in train and dev: the network would only memorise the faces"
            )
        self.train = FaceClips(train, data.features, self.settings.frames, self.config.seed)
        self.dev = FaceClips(dev, data.features, self.settings.frames)
        self.sampler = FrameBudgetSampler([1] * len(train), data.clips, self.config.seed)

    def _featured(self, name: str, clips: list[Clip]) -> list[Clip]:
        featured, why = with_features(clips, self.config.data.features)
        if why:
            self.say(f"{name}: {why}")
        if not featured:
            raise VsrError("bad_features", f"{name}: no clip has features")
        return featured

    def _build_model(self) -> FaceVoice:
        return built(FaceVoice, self.settings)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean cosine to the voices of the dev clips, and its margin over the cosine to other speakers' voices."""
        batch = self.dev.batch(range(len(self.dev.clips))).to(self.fabric.device)
        cosines = self.average.model(batch.crops, batch.mask) @ batch.vectors.T
        is_other = batch.speakers[:, None] != batch.speakers[None]
        cosine = float(cosines.diagonal().mean())
        return {"dev_cosine": cosine, "dev_margin": cosine - float(cosines[is_other].mean())} if is_other.any() else {
            "dev_cosine": cosine, "dev_margin": 0.0,
        }  # fmt: skip


def face_lines(config: FaceTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech face`. Raises VsrError."""
    settings = model_settings(FaceVoiceConfig, config.model)
    yield f"model: {parameters(on_meta(FaceVoice, settings)):,} parameters"
    yield "learns from:"
    yield "  cosine to the speaker's vector, weight 1"
    yield f"  contrast with other speakers' vectors, weight {settings.contrast:g}"
    yield from run_lines(config.data, config.optim, config.trainer)
