"""Training of a unit translator, on recordings in several languages paired with their translations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lip2speech.inference.folder import UNITS_FILE
from lip2speech.models.parts import save_part
from lip2speech.models.translators import AUTOREGRESSIVE, KIND, TRANSLATORS, TranslatorSizes, UnitReader
from lip2speech.training.unit_pairs import PairDataset, units_of
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, SHARE, check_numbers
from vsr.data.manifest import read_manifests
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import check_disjoint, read_lists
from vsr.media.units import Codebook
from vsr.training.config import RunConfig, check_lists
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.loop import Run
from vsr.training.model_settings import built, model_settings


@dataclass(frozen=True)
class TranslatorDataConfig:
    """Manifests with ``language`` and ``translations``, and their audio (`vsr waves`).

    ``train``, ``dev``: source clips. ``targets``, ``dev_targets``: target clips; a pair is a source clip and a target
    clip whose text is its translation. One voice for each language is best, as units carry some speaker information.
    ``units``: the codebook. ``features``: folder of `lip2speech features` with the units; "": they are extracted from
    the audio when the run begins. ``replaced``: share of a training clip's source units that are replaced at random,
    to resemble units predicted from lips. ``tests`` are read only to refuse lists that overlap them.
    """

    train: tuple[str, ...]
    targets: tuple[str, ...]
    dev: tuple[str, ...]
    dev_targets: tuple[str, ...]
    units: str
    features: str = ""
    tests: tuple[str, ...] = ()
    frames_per_batch: int = 1200
    replaced: float = 0.1

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_lists(self.targets, self.dev_targets)
        check_numbers(self, "data.", frames_per_batch=COUNT, replaced=SHARE)


@dataclass(frozen=True)
class TranslatorTrainConfig(RunConfig):
    """Training configuration of a translator."""

    data: TranslatorDataConfig

    @property
    def kind(self) -> str:
        """Its kind in `TRANSLATORS`."""
        return self.model.get(KIND, AUTOREGRESSIVE)

    def model_config(self, units: int) -> Any:
        """The model's configuration, with the codebook's size. Raises VsrError."""
        try:
            kind = TRANSLATORS[self.kind]
        except (TypeError, ValueError) as error:
            raise VsrError("bad_config", str(error)) from error
        settings = {name: value for name, value in self.model.items() if name != KIND}
        return model_settings(kind, settings, units=units)


class TranslatorRun(Run):
    """`vsr.training.loop.Run` with a `TranslatorTrainConfig`."""

    train: PairDataset

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, tests = read_lists(data)
        targets, dev_targets = read_manifests(data.targets), read_manifests(data.dev_targets)
        check_disjoint(targets, dev_targets, tests)
        self.codebook = Codebook.load(data.units)
        self.sizes = self.config.model_config(len(self.codebook))
        units = units_of([*train, *targets, *dev, *dev_targets], self.codebook, data.features)
        self.train = PairDataset(train, targets, units, self.sizes, data.replaced, self.config.seed)
        self.dev = PairDataset(dev, dev_targets, units, self.sizes)
        for name, dataset, clips in (("training", self.train, train), ("dev", self.dev, dev)):
            if not dataset.clips:
                languages = ", ".join(self.sizes.languages)
                raise VsrError(
                    "bad_manifest", f"no {name} clip is said in another language by the targets: {languages}"
                )
            if len(dataset.clips) < len(clips):
                self.say(f"{name}: {len(dataset.clips)} of {len(clips)} clips are said in another language")
        lengths = [clip.num_frames for clip in self.train.clips]
        self.sampler = FrameBudgetSampler(lengths, data.frames_per_batch, self.config.seed)

    def _build_model(self) -> UnitReader:
        return built(type(self.sizes).build, self.sizes)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Unit error rate on the dev list, with one target language per clip."""
        errors = [
            self.average.model.missed(self.dev.batch([index]).to(self.fabric.device))
            for index in range(len(self.dev.clips))
        ]
        return {"dev_units": sum(wrong for wrong, _ in errors) / max(1, sum(count for _, count in errors))}

    def export(self, folder: Path) -> Path:
        """Write the averaged weights and the codebook as a model folder (only on rank 0)."""
        if self.fabric.is_global_zero:
            self.codebook.save(folder / UNITS_FILE)
            about = {"name": self.folder.name, "training": self.training_record(), KIND: self.config.kind}
            save_part(folder, self.average.model, about)
        return folder


def translator_lines(config: TranslatorTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech translator`, without data. Raises VsrError."""
    exists = Path(config.data.units).is_file()
    sizes = config.model_config(len(Codebook.load(config.data.units)) if exists else TranslatorSizes.units)
    model = on_meta(type(sizes).build, sizes)
    note = config.data.units if exists else f"{config.data.units} is not made yet: {sizes.units} are assumed"
    yield f"model: {parameters(model):,} parameters; {sizes.units} units ({note})"
    yield from part_lines(model)
    yield f"learns {sizes.learns} of {', '.join(sizes.languages)}"
    yield f"targets: {', '.join(config.data.targets)}"
    yield from run_lines(config.data, config.optim, config.trainer)
