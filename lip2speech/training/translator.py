"""Training a translator of units: recordings in several languages, and what says the same in others.

Shapes: T video frames, two steps of 50 Hz each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.inference.folder import UNITS_FILE, save_part
from lip2speech.models.durations import runs
from lip2speech.models.translators import (
    AUTOREGRESSIVE,
    FIRST,
    KIND,
    TRANSLATORS,
    TranslatorSizes,
    UnitPairs,
    UnitReader,
)
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, SHARE, check_numbers
from vsr.core.progress import counted
from vsr.core.tokens import IGNORE
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip, read_manifests, translation_of
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.sound_input import clip_wave
from vsr.data.splits import check_disjoint, read_lists
from vsr.media.units import Codebook, open_extractor
from vsr.training.config import RunConfig, check_lists
from vsr.training.dry_run import on_meta, parameters, part_lines, run_lines
from vsr.training.loop import Run
from vsr.training.model_settings import built, model_settings


@dataclass(frozen=True)
class TranslatorDataConfig:
    """Manifests with ``language`` and ``translations``, and their sounds (`vsr waves`).

    ``train``, ``dev``: what is heard. ``targets``, ``dev_targets``: what is to be said; of each language the clip whose
    text is the translation of what is heard. One voice for each language is best, as units carry something of it.
    ``units``: the codebook. ``features``: folder of `lip2speech features` with the units; "": they are made of the
    sounds when the run begins. ``replaced``: share of a training clip's units that are others by chance, as those
    of lips will be. ``tests`` are read only to refuse lists that meet them.
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
    """Of a translator."""

    data: TranslatorDataConfig

    @property
    def kind(self) -> str:
        """Of `TRANSLATORS`."""
        return self.model.get(KIND, AUTOREGRESSIVE)

    def model_config(self, units: int) -> Any:
        """The model's numbers with the codebook's size. Raises VsrError."""
        try:
            kind = TRANSLATORS[self.kind]
        except (TypeError, ValueError) as error:
            raise VsrError("bad_config", str(error)) from error
        given = {name: own for name, own in self.model.items() if name != KIND}
        return model_settings(kind, given, units=units)


class PairDataset:
    """What is heard, with what says the same in another language, drawn for each clip and epoch by the seed.

    Args:
        clips: what is heard; those that nothing in ``languages`` translates are left out.
        targets: what may be said.
        units: id of a clip -> its units (2T,).
        config: of the model, which says the languages.
        replaced: share of units that are changed; seed: of all that is drawn.
    """

    def __init__(
        self, clips: Sequence[Clip], targets: Sequence[Clip], units: Mapping[str, Tensor], config: TranslatorSizes,
        replaced: float = 0.0, seed: int = 0,
    ):  # fmt: skip
        said = said_by(targets)
        pairs = {clip.id: pairs_of(clip, said, config.languages) for clip in clips}
        self.clips = [clip for clip in clips if pairs[clip.id]]
        self.pairs, self.units, self.config = pairs, units, config
        self.replaced, self.seed = replaced, seed

    def batch(self, indices: Sequence[int], epoch: int = 0) -> UnitPairs:
        """The padded batch of several clips."""
        source, tokens, steps, first = zip(*(self._item(index, epoch) for index in indices), strict=True)
        return UnitPairs(
            pad_sequence(list(source), True), torch.tensor([len(own) for own in source]),
            pad_sequence(list(tokens), True, IGNORE), pad_sequence(list(steps), True), torch.tensor(first),
        )  # fmt: skip

    def _item(self, index: int, epoch: int) -> tuple[Tensor, Tensor, Tensor, int]:
        """Units (T, 2), tokens (U,) and their steps, the token of the language."""
        rng, clip = np.random.default_rng((self.seed, epoch, index)), self.clips[index]
        choices = self.pairs[clip.id]
        language, target = choices[int(rng.integers(len(choices)))]
        units = self.units[clip.id].numpy()
        others = rng.integers(0, self.config.units, units.shape)
        units = np.where(rng.random(units.shape) < self.replaced, others, units)
        found, counts = runs(self.units[target.id].tolist())
        source = torch.from_numpy(units).view(-1, UNITS_PER_FRAME)
        return source, torch.tensor(found) + FIRST, torch.tensor(counts), self.config.token_of(language)


def said_by(targets: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """(language, text) -> the clips that say it. Raises VsrError bad_manifest for one without language."""
    found: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in targets:
        if not clip.language:
            raise VsrError("bad_manifest", f"{clip.id} does not say its language, which a translator needs")
        found[clip.language, clip.text].append(clip)
    return found


def pairs_of(clip: Clip, said: Mapping, languages: Sequence[str]) -> list[tuple[str, Clip]]:
    """(language, clip) of all that say in another language what a clip says."""
    others = [(own, translation_of(clip, own)) for own in languages if own != clip.language]
    return [(language, target) for language, text in others for target in said.get((language, text), ())]


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
        for name, own, clips in (("training", self.train, train), ("dev", self.dev, dev)):
            if not own.clips:
                known = ", ".join(self.sizes.languages)
                raise VsrError("bad_manifest", f"no {name} clip is said in another language by the targets: {known}")
            if len(own.clips) < len(clips):
                self.say(f"{name}: {len(own.clips)} of {len(clips)} clips are said in another language")
        lengths = [clip.num_frames for clip in self.train.clips]
        self.sampler = FrameBudgetSampler(lengths, data.frames_per_batch, self.config.seed)

    def _build_model(self) -> UnitReader:
        return built(type(self.sizes).build, self.sizes)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Share of the dev list's units that are not the likeliest, one language a clip."""
        each = [
            self.average.model.missed(self.dev.batch([index]).to(self.fabric.device))
            for index in range(len(self.dev.clips))
        ]
        return {"dev_units": sum(wrong for wrong, _ in each) / max(1, sum(count for _, count in each))}

    def export(self, folder: Path) -> Path:
        """Write the averaged weights and the codebook as a model folder (by rank 0 alone)."""
        if self.fabric.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            self.codebook.save(folder / UNITS_FILE)
            about = {"name": self.folder.name, "training": self.reached(), KIND: self.config.kind}
            save_part(folder, self.average.model, about)
        return folder


def units_of(clips: Sequence[Clip], codebook: Codebook, features: str = "") -> dict[str, Tensor]:
    """id -> units (2T,) of each clip: those of a folder, or made of its sound. Raises VsrError."""
    size, sounds = len(codebook), {clip.id: clip.sound for clip in clips}
    if twice := [clip.id for clip in clips if sounds[clip.id] != clip.sound]:
        raise VsrError("bad_manifest", f"{twice[0]} is the id of two sounds: give the clips of each list other ids")
    if features:
        each = ((c.id, read_frame_units(features, c, "units", c.num_frames, UNITS_PER_FRAME, 1, size)) for c in clips)
        return {name: torch.from_numpy(own).flatten() for name, own in each}
    extractor = open_extractor(codebook.extractor)
    found = counted(clips, "units", len(clips))
    return {clip.id: codebook.units(extractor.frames(torch.from_numpy(clip_wave(clip)))) for clip in found}


def translator_lines(config: TranslatorTrainConfig) -> Iterator[str]:
    """What `lip2speech translator` would train, without data. Raises VsrError."""
    there = Path(config.data.units).is_file()
    sizes = config.model_config(len(Codebook.load(config.data.units)) if there else TranslatorSizes.units)
    model = on_meta(type(sizes).build, sizes)
    note = config.data.units if there else f"{config.data.units} is not made yet: {sizes.units} are assumed"
    yield f"model: {parameters(model):,} parameters; {sizes.units} units ({note})"
    yield from part_lines(model)
    yield f"learns {sizes.learns} of {', '.join(sizes.languages)}"
    yield f"targets: {', '.join(config.data.targets)}"
    yield from run_lines(config.data, config.optim, config.trainer)
