"""Training the vocoder: spectral losses first, then the judges of a GAN join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lip2speech.features.corpus import Features, StoredFeatures, load_features, with_features
from lip2speech.hub import save_part
from lip2speech.vocoder.discriminators import Judges, adversarial_loss, feature_loss, judge_loss
from lip2speech.vocoder.generator import Generator, GeneratorConfig
from lip2speech.vocoder.losses import mel_loss, roughen, spectral_loss
from vsr.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.corpora.splits import check_disjoint
from vsr.data.manifest import Clip
from vsr.data.sampling import FrameBudgetSampler
from vsr.errors import VsrError
from vsr.training.config import OptimConfig, TrainerConfig, unknown_key
from vsr.training.lipreader import read_all
from vsr.training.loop import Run

VALIDATED = 16  # dev clips that are voiced after each epoch


@dataclass(frozen=True)
class VocoderDataConfig:
    """Manifests, features, and what a batch is made of.

    ``predicted``: folder of `lip2speech synthesize --features`, mels and units that the acoustic model made of the
    training clips; each clip is then voiced from them as often as from its own. ``segment``: video frames.
    ``roughen``: share of mels that are blurred and made noisy; ``noise``: its greatest deviation, nepers.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    tests: tuple[str, ...] = ()
    predicted: str = ""
    segment: int = 25
    clips_per_batch: int = 16
    roughen: float = 0.5
    noise: float = 0.5


@dataclass(frozen=True)
class GanConfig:
    """Weights of the losses; the judges join after the share ``after`` of the schedule, with ``width`` channels."""

    after: float = 0.4
    width: int = 16
    mel: float = 15.0
    spectral: float = 2.0
    adversarial: float = 1.0
    features: float = 5.0


@dataclass(frozen=True)
class VocoderTrainConfig:
    """Everything that determines a run."""

    data: VocoderDataConfig
    model: dict[str, Any] = field(default_factory=dict)
    gan: GanConfig = field(default_factory=GanConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    seed: int = 0

    def model_config(self) -> GeneratorConfig:
        """The vocoder's numbers. Raises VsrError."""
        known = {f.name for f in fields(GeneratorConfig)}
        for key in self.model:
            if key not in known:
                raise unknown_key(f"model.{key}", key, known)
        return GeneratorConfig(**self.model)


@dataclass
class VocoderBatch:
    """wave (B, S); mel (B, N, 80); units (B, N/2); speaker (B, 256); shares (1,): how many times the ranks' mean of
    `counts` this batch has, None in a single process."""

    wave: Tensor
    mel: Tensor
    units: Tensor
    speaker: Tensor
    shares: Tensor | None = None

    def counts(self) -> Tensor:
        """(1,) clips: all are as long."""
        return torch.tensor([float(len(self.wave))], device=self.wave.device)

    def to(self, device: torch.device | str) -> VocoderBatch:
        """The same batch on another device."""
        return VocoderBatch(*(tensor.to(device) for tensor in (self.wave, self.mel, self.units, self.speaker)))


class Segments:
    """Pieces of clips; which piece of clip i is heard in epoch e, and how its mel is changed, the seed decides."""

    def __init__(self, clips: Sequence[Clip], data: VocoderDataConfig, seed: int):
        self.clips = [clip for clip in with_features(clips, data.features)[0] if clip.num_frames >= data.segment]
        if not self.clips:
            raise VsrError("bad_config", f"no training clip has {data.segment} frames: shorten data.segment")
        self.data, self.seed = data, seed
        self.natural = StoredFeatures(data.features, self.clips)

    def batch(self, indices: Sequence[int], epoch: int = 0) -> VocoderBatch:
        """One piece of each clip."""
        pieces = [self._piece(index, epoch) for index in indices]
        return VocoderBatch(*(torch.stack(each) for each in zip(*pieces, strict=True)))

    def _piece(self, index: int, epoch: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(hash((self.seed, epoch, index)) % 2**31)
        frames = self.data.segment
        start = int(torch.randint(self.clips[index].num_frames - frames + 1, (), generator=generator))
        known = self.natural[index]
        shown = known
        if torch.rand((), generator=generator) < 0.5:
            shown = _predicted(self.data.predicted, self.clips[index], known)
        wave, mel, units = (
            tensor[start * rate : (start + frames) * rate]
            for tensor, rate in (
                (known.wave, SAMPLES_PER_FRAME), (shown.mel, MELS_PER_FRAME), (shown.units, UNITS_PER_FRAME)
            )
        )  # fmt: skip
        mel = roughen(mel[None], self.data.roughen, self.data.noise, generator)[0]
        return wave, mel, units, known.speaker


def _predicted(folder: str, clip: Clip, natural: Features) -> Features:
    """What the acoustic model made of a clip, or without a folder its own features."""
    if not folder:
        return natural
    from lip2speech.synthesis import load_speech

    speech = load_speech(folder, clip)
    return Features(natural.wave, speech.mel[0], speech.units[0], natural.speaker)


class Adversaries(nn.Module):
    """The generator and its judges: what one checkpoint of a run holds."""

    def __init__(self, config: VocoderTrainConfig):
        super().__init__()
        self.generator = Generator(config.model_config())
        self.judges = Judges(config.gan.width)


class VocoderRun(Run):
    """`vsr.training.loop.Run` with a `VocoderTrainConfig`; a step has two halves."""

    entries = ()

    def _open_data(self) -> None:
        if self.fabric.world_size > 1 and self.config.trainer.strategy == "fsdp":
            raise VsrError("bad_config", "trainer.strategy is fsdp: a vocoder trains whole on every rank, with ddp")
        data, seed = self.config.data, self.config.seed
        train, dev, tests = (read_all(paths) for paths in (data.train, data.dev, data.tests))
        check_disjoint(train, dev, tests)
        self.train = Segments(train, data, seed)
        dev = with_features(dev, data.features)[0][:VALIDATED]
        self.dev = [(clip, load_features(data.features, clip)) for clip in dev]
        lengths = [data.segment] * len(self.train.clips)
        self.sampler = FrameBudgetSampler(lengths, data.segment * data.clips_per_batch, seed)

    def _build_model(self) -> Adversaries:
        model = Adversaries(self.config)
        if self.config.trainer.init_from:
            from lip2speech.hub import load_vocoder

            source = load_vocoder(self.config.trainer.init_from)[0]
            if source.config != model.generator.config:
                told = f"init_from: {self.config.trainer.init_from} is a vocoder of other sizes"
                raise VsrError("bad_model", f"{told}: {source.config}, not {model.generator.config}")
            model.generator.load_state_dict(source.state_dict())
        return model

    def _stepped(self) -> Generator:
        return self.model.generator  # the judges' gradients are not there in every step, which DDP would wait for

    def losses(self, batch: VocoderBatch) -> dict[str, Tensor]:
        """One half step of the judges where they have joined, then the generator's losses."""
        gan, model = self.config.gan, self.model
        share = 1 if batch.shares is None else batch.shares[0]
        fake = self.wrapped(batch.mel, batch.units, batch.speaker).float()
        parts = {"mel": mel_loss(batch.wave, fake), "spectral": spectral_loss(batch.wave, fake)}
        loss = gan.mel * parts["mel"] + gan.spectral * parts["spectral"]
        if self.share() >= gan.after:
            parts["judges"] = self._train_judges(batch.wave, fake.detach(), share)
            model.judges.requires_grad_(False)  # the generator's half step must leave them alone
            real, faked = model.judges(batch.wave), model.judges(fake)
            model.judges.requires_grad_(True)
            parts["adversarial"], parts["features"] = adversarial_loss(faked), feature_loss(real, faked)
            loss = loss + gan.adversarial * parts["adversarial"] + gan.features * parts["features"]
        return {"loss": loss * share} | {name: value.detach() * share for name, value in parts.items()}

    def _train_judges(self, real: Tensor, fake: Tensor, share: Tensor | float) -> Tensor:
        loss = judge_loss(self.model.judges(real), self.model.judges(fake))
        self.fabric.backward(loss * share)
        if self.fabric.world_size > 1:
            for parameter in self.model.judges.parameters():
                parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")
        self.optimiser.step()  # only the judges have gradients now
        self.optimiser.zero_grad()
        return loss

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Copy-synthesis of some dev clips: L1 of the log-mel (nepers) and STOI."""
        from pystoi import stoi

        from vsr.clock import SAMPLE_RATE

        generator, errors, scores = self.average.model.generator, [], []
        for _, own in self.dev:
            inputs = (own.mel[None], own.units[None], own.speaker[None])
            wave = generator(*(tensor.to(self.fabric.device) for tensor in inputs)).cpu()
            errors.append(float(mel_loss(own.wave[None], wave)))
            scores.append(stoi(own.wave.numpy(), wave[0].numpy(), SAMPLE_RATE))
        return {"dev_mel": sum(errors) / len(errors), "dev_stoi": float(sum(scores) / len(scores))}

    def export(self, folder: Path) -> Path:
        """Write the averaged generator as a model folder (by rank 0 alone)."""
        if self.fabric.is_global_zero:
            save_part(folder, self.average.model.generator, {"name": self.folder.name, "training": self.reached()})
        return folder
