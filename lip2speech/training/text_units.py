"""Training of the text-to-unit model, on recordings with speech units and phone times.

Shapes: U phones and pauses, N steps of 50 Hz.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.features.phones import phones_of, scripts_in, steps_of
from lip2speech.inference.folder import UNITS_FILE
from lip2speech.models.parts import save_part
from lip2speech.models.text_units import PAUSE, TEXT, PhoneBatch, TextUnits, TextUnitsConfig
from lip2speech.models.translators import KIND
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNIT_RATE
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, check_numbers
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.media.units import Codebook
from vsr.text.ipa import SOUNDS
from vsr.training.config import RunConfig, check_lists
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.loop import Run
from vsr.training.model_settings import built, model_settings


@dataclass(frozen=True)
class TextDataConfig:
    """Manifests with phone times (or word times, which are then divided evenly among the phones) and audio (`vsr
    waves`), best with one voice per language; ``units``: the codebook; ``features``: folder of `lip2speech features`
    with the units, "": they are extracted from the audio when the run begins. ``tests`` are read only to refuse lists
    that overlap them."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    units: str
    features: str = ""
    tests: tuple[str, ...] = ()
    frames_per_batch: int = 1200

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", frames_per_batch=COUNT)


@dataclass(frozen=True)
class TextTrainConfig(RunConfig):
    """Training configuration of a text-to-unit model."""

    data: TextDataConfig

    def model_config(self, units: int, phones: Iterable[str], scripts: Iterable[str] = ()) -> TextUnitsConfig:
        """The model's configuration, completed with the codebook's size and the phones and scripts of the training
        clips. Raises VsrError."""
        settings = {name: value for name, value in self.model.items() if name != KIND}
        from_data = {"units": units, "phones": tuple(sorted(phones)), "scripts": tuple(sorted(scripts))}
        return model_settings(TextUnitsConfig, settings, **from_data)


class TextDataset:
    """Clips with phones, their durations in steps, and units.

    Args:
        clips: in languages of ``config``; where it has only one, clips need not state theirs.
        units: id of a clip -> its units (N,).
        config: of the model; its list of phones is complete.

    Raises VsrError bad_manifest for a clip that cannot be used, with the reason.
    """

    def __init__(self, clips: Sequence[Clip], units: Mapping[str, Tensor], config: TextUnitsConfig):
        self.clips, self.units, self.config = list(clips), units, config
        self.targets = [self._phone_targets(clip) for clip in clips]

    def batch(self, indices: Sequence[int], epoch: int = 0) -> PhoneBatch:
        """The padded batch of several clips; the same in each epoch."""
        phones, steps, language = zip(*(self.targets[index] for index in indices), strict=True)
        units = [self.units[self.clips[index].id] for index in indices]
        return PhoneBatch(
            pad_sequence(list(phones), True, PAUSE), torch.tensor([len(ids) for ids in phones]),
            pad_sequence(list(steps), True), torch.tensor(language), pad_sequence(units, True, IGNORE),
        )  # fmt: skip

    def _phone_targets(self, clip: Clip) -> tuple[Tensor, Tensor, int]:
        """Phone ids (U,), steps of each (U,), and the index of its language."""
        language = language_of(clip, self.config.languages)
        try:
            labels, steps = steps_of(phones_of(clip, language), len(self.units[clip.id]))
            ids = self.config.ids(labels)
        except ValueError as error:
            raise VsrError("bad_manifest", f"{clip.id}: {error}") from error
        return torch.tensor(ids), torch.tensor(steps), self.config.languages.index(language)


def language_of(clip: Clip, languages: Sequence[str]) -> str:
    """The language of a clip, by default the only one in ``languages``. Raises VsrError bad_manifest."""
    language = clip.language or (languages[0] if len(languages) == 1 else "")
    if language not in languages:
        problem = f"speaks {language}" if language else "does not say its language"
        raise VsrError("bad_manifest", f"{clip.id} {problem}: model.languages has {', '.join(languages)}")
    return language


def phones_among(clips: Sequence[Clip], languages: Sequence[str]) -> set[str]:
    """All phones of clips in the languages ``languages``. Raises VsrError bad_manifest."""
    return {label for clip in clips for label, *_ in phones_of(clip, language_of(clip, languages)) if label}


class TextRun(Run):
    """`vsr.training.loop.Run` with a `TextTrainConfig`."""

    train: TextDataset
    chosen_by = "dev_units"

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, _ = read_lists(data)
        self.codebook = Codebook.load(data.units)
        languages = self.config.model_config(len(self.codebook), SOUNDS).languages  # phones are not known yet
        phones, scripts = phones_among(train, languages), scripts_in(clip.text for clip in train)
        self.sizes = self.config.model_config(len(self.codebook), phones, scripts)
        units = units_of([*train, *dev], self.codebook, data.features)
        self.train, self.dev = (TextDataset(clips, units, self.sizes) for clips in (train, dev))
        self.sampler = FrameBudgetSampler([clip.num_frames for clip in train], data.frames_per_batch, self.config.seed)

    def _build_model(self) -> TextUnits:
        return built(TextUnits, self.sizes)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On the dev list: unit error rate at the true durations, and mean error of phone durations in ms, without
        pauses and before `calibrate_durations`."""
        model: TextUnits = self.average.model
        wrong, units, error, phones = 0, 0, 0.0, 0
        for index in range(len(self.dev.clips)):
            batch = self.dev.batch([index]).to(self.fabric.device)
            logits, logs = model(batch)
            is_phone = batch.phones != PAUSE
            wrong, units = wrong + int((logits.argmax(-1) != batch.units).sum()), units + batch.units.numel()
            error += float((torch.expm1(logs) - batch.steps).abs()[is_phone].sum())
            phones += int(is_phone.sum())
        return {"dev_units": wrong / max(1, units), "dev_ms": 1000 / UNIT_RATE * error / max(1, phones)}

    def export(self, folder: Path) -> Path:
        """Write the averaged weights after `calibrate_durations`, and the codebook, as a model folder (on rank 0)."""
        if self.fabric.is_global_zero:
            calibrate_durations(self.average.model, self.train)
            self.codebook.save(folder / UNITS_FILE)
            save_part(
                folder, self.average.model, {"name": self.folder.name, "training": self.training_record(), KIND: TEXT}
            )
        return folder


@torch.no_grad()
def calibrate_durations(model: TextUnits, clips: TextDataset) -> None:
    """Shift log durations so that phones have the right mean duration on ``clips``: without the noise of dropout, whose
    effect on the last normalisation the model has learnt, they are too long (by 8 % on the puppet)."""
    differences: list[Tensor] = []
    for index in range(len(clips.clips)):
        batch = clips.batch([index]).to(model.duration.bias.device)
        logs = model.eval().durations(model.read(batch.phones, batch.lengths, batch.language))
        differences.append((torch.log1p(batch.steps.float()) - logs)[batch.phones != PAUSE])
    model.duration.bias += torch.cat(differences).mean()


def text_lines(config: TextTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech train`, without data. Raises VsrError."""
    exists = Path(config.data.units).is_file()
    sizes = config.model_config(len(Codebook.load(config.data.units)) if exists else TextUnitsConfig.units, SOUNDS)
    model = on_meta(TextUnits, sizes)
    note = config.data.units if exists else f"{config.data.units} is not made yet: {sizes.units} are assumed"
    yield f"model: {parameters(model):,} parameters, all of which are trained; {sizes.units} units ({note})"
    yield from part_lines(model)
    yield f"learns units, and durations (weight {sizes.duration_weight:g}), of phones of {', '.join(sizes.languages)}"
    yield from run_lines(config.data, config.optim, config.trainer)
