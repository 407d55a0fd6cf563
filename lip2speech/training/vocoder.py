"""Training of the vocoder: spectral losses first; later the discriminators of a GAN join."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from lip2speech.features.stored import load_features, with_features
from lip2speech.inference.folder import load_vocoder
from lip2speech.models.parts import save_part
from lip2speech.training.vocoder_segments import Segments, VocoderBatch
from lip2speech.vocoders.config import VocoderTrainConfig
from lip2speech.vocoders.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lip2speech.vocoders.generator import Generator
from lip2speech.vocoders.losses import mel_loss, spectral_loss
from lip2speech.vocoders.source import SOURCES
from lip2speech.vocoders.vocos import FAMILY
from lip2speech.vocoders.warm_start import start_from_vocos
from vsr.core.errors import VsrError
from vsr.data.batch import CLIPS
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.modelstore.checkpoint import read_config
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.finite import Finite
from vsr.training.loop import Run
from vsr.training.machines import errors_on_all_ranks

VALIDATED = 16  # dev clips that are synthesised after each epoch


class Adversaries(nn.Module):
    """The generator and its discriminators, as stored in a checkpoint of a run."""

    def __init__(self, config: VocoderTrainConfig):
        super().__init__()
        self.generator = Generator(config.model_config())
        self.discriminators = Discriminators(config.gan.width)


class GeneratorStep(nn.Module):
    """Wraps a generator for a training step: its wave, and the losses of its source."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, batch: VocoderBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Wave (B, S), and the source's losses by name."""
        return self.generator.learn(batch)


class VocoderRun(Run):
    """`vsr.training.loop.Run` with a `VocoderTrainConfig`; a step has two halves, discriminators and generator."""

    train: Segments
    entries = ()
    chosen_by = "dev_mel"

    def _open_data(self) -> None:
        if self.fabric.world_size > 1 and self.config.trainer.strategy == "fsdp":
            raise VsrError("bad_config", "trainer.strategy is fsdp: a vocoder trains whole on every rank, with ddp")
        data, seed, self.gan_finite = self.config.data, self.config.seed, Finite()
        train, dev, _ = read_lists(data)
        self.train = Segments(train, data, seed, SOURCES[self.config.model_config().source].pitched)
        dev = with_features(dev, data.features)[0][:VALIDATED]
        if not dev:
            raise VsrError("bad_features", "dev: not one clip has features: run lip2speech features")
        self.dev = [(clip, load_features(data.features, clip)) for clip in dev]
        lengths = [data.segment] * len(self.train.clips)
        self.sampler = FrameBudgetSampler(lengths, data.segment * data.clips_per_batch, seed)

    def _build_model(self) -> Adversaries:
        model = Adversaries(self.config)
        if self.config.trainer.init_from:
            begin_from(self.config.trainer.init_from, model.generator, self.say)
        return model

    def _stepped(self) -> GeneratorStep:
        # In some steps the discriminators have no gradients, which DDP would wait for.
        return GeneratorStep(self.model.generator)

    def losses(self, batch: VocoderBatch) -> dict[str, Tensor]:
        """Step the discriminators, once they have joined, and return the generator's losses."""
        gan, model = self.config.gan, self.model
        share = batch.share(CLIPS)
        fake, source_losses = self.wrapped(batch)
        fake = fake.float()
        parts = {"mel": mel_loss(batch.wave, fake), "spectral": spectral_loss(batch.wave, fake)} | source_losses
        loss = gan.mel * parts["mel"] + gan.spectral * parts["spectral"] + gan.source * sum(source_losses.values())
        if self.share() >= gan.after:
            parts["discriminators"] = self._train_discriminators(batch.wave, fake.detach(), share)
            model.discriminators.requires_grad_(False)  # the generator's half step must not change them
            on_real, on_fake = model.discriminators(batch.wave), model.discriminators(fake)
            model.discriminators.requires_grad_(True)
            parts["adversarial"], parts["features"] = adversarial_loss(on_fake), feature_loss(on_real, on_fake)
            loss = loss + gan.adversarial * parts["adversarial"] + gan.features * parts["features"]
        return {"loss": loss * share} | {name: value.detach() * share for name, value in parts.items()}

    def _train_discriminators(self, real: Tensor, fake: Tensor, share: Tensor | float) -> Tensor:
        """A step of the discriminators; skipped where its gradient is not finite, as NaN would stay in their weights.

        Raises VsrError not_finite after too many of them.
        """
        discriminators = self.model.discriminators
        loss = discriminator_loss(discriminators(real), discriminators(fake))
        self.fabric.backward(loss * share)
        if self.fabric.world_size > 1:
            for parameter in discriminators.parameters():
                parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")
        limits = {"max_norm": self.config.optim.clip, "error_if_nonfinite": False}
        norm = self.fabric.clip_gradients(discriminators, self.optimiser, **limits)
        self.gan_finite.note(bool(torch.isfinite(norm)))
        # Only the discriminators have gradients now; in fp16 the scaler skips the step, as in the loop.
        if not self.gan_finite.in_a_row or self.scaler is not None:
            self.optimiser.step()
        self.optimiser.zero_grad()
        if self.gan_finite.is_lost(len(self.feed.steps), self.scaler is not None):
            with errors_on_all_ranks(self.fabric):
                raise self.gan_finite.error(self.progress.step + 1, self.folder)
        return loss

    def _report(self, losses: dict[str, float]) -> None:
        if skipped := self.gan_finite.pop_skipped():
            warning = f"{skipped} steps of the discriminators skipped: no finite gradient"
            self.say(f"epoch {self.progress.epoch:3d}  {warning}")
        super()._report(losses)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Copy-synthesis of some dev clips: L1 of the log-mel (nepers) and STOI."""
        from pystoi import stoi

        from vsr.core.clock import SAMPLE_RATE

        generator, errors, scores = self.average.model.generator, [], []
        for _, features in self.dev:
            inputs = (features.mel[None], features.units[None], features.speaker[None])
            wave = generator(*(tensor.to(self.fabric.device) for tensor in inputs)).cpu()
            errors.append(float(mel_loss(features.wave[None], wave)))
            scores.append(stoi(features.wave.numpy(), wave[0].numpy(), SAMPLE_RATE))
        return {"dev_mel": sum(errors) / len(errors), "dev_stoi": float(sum(scores) / len(scores))}

    def export(self, folder: Path) -> Path:
        """Write the averaged generator as a model folder (only on rank 0)."""
        if self.fabric.is_global_zero:
            save_part(
                folder, self.average.model.generator, {"name": self.folder.name, "training": self.training_record()}
            )
        return folder


def vocoder_lines(config: VocoderTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech vocoder`, without data. Raises VsrError."""
    gan, data, sizes = config.gan, config.data, config.model_config()
    model = on_meta(Adversaries, config)
    yield f"model: {parameters(model):,} parameters, all of which are trained"
    yield from part_lines(model)
    yield "learns from:"
    weights = {"log-mel": gan.mel, "spectral": gan.spectral}
    weights |= {"losses of the source": gan.source} if SOURCES[sizes.source].pitched else {}
    yield from (f"  {name}, weight {weight:g}" for name, weight in weights.items())
    joined = "never" if gan.after > 1 else f"after {gan.after:.0%} of the run"
    yield f"  discriminators {joined}: adversarial, weight {gan.adversarial:g}; features, weight {gan.features:g}"
    mixed = f"every second segment has the mel and units of {data.predicted}" if data.predicted else "natural mels"
    yield f"segments of {data.segment} frames; {mixed}"
    yield from run_lines(data, config.optim, config.trainer)


def begin_from(folder: str, generator: Generator, say: Callable[[str], object]) -> None:
    """Start from a trained vocoder, or from the matching layers of an imported Vocos. Raises VsrError bad_model."""
    if read_config(Path(folder)).get("family") == FAMILY:
        say(start_from_vocos(folder, generator))
    else:
        copy_vocoder(folder, generator)


def copy_vocoder(folder: str, generator: Generator) -> None:
    """Start from a trained vocoder. Raises VsrError bad_model where it has other sizes."""
    source = load_vocoder(folder)[0]
    if source.config != generator.config:
        problem = f"init_from: {folder} is a vocoder of other sizes"
        raise VsrError("bad_model", f"{problem}: {source.config}, not {generator.config}")
    generator.load_state_dict(source.state_dict())
