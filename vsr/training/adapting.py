"""Adapt a model to a speaker: fine-tune it for some steps on a few transcribed clips of the person.

In a fused model the reader of pixels and the reader of tracks are adapted one after the other, each on its own input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, SEED, check_number
from vsr.core.tokens import UNK
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip
from vsr.data.track_augmentation import TrackAugmentation
from vsr.data.tracks import TrackDataset
from vsr.data.transforms import Augmentation
from vsr.models.fusion import FusedReader
from vsr.models.lipreader import LipReader, further_heads_of
from vsr.modelstore.folder import LoadedModel
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import WordTokenizer
from vsr.training.config import OptimConfig
from vsr.training.optimiser import learning_rate
from vsr.training.texts import with_tokens
from vsr.training.tuned_parts import KINDS, keep_statistics, tuned_parts

RATES = {"norms": 3e-3, "adapters": 1e-3, "all": 1e-4}  # chosen on clips of one speaker (egs/grid/vsr/RESULTS.md)
WARMUP = 5  # steps
TOGETHER = 8  # clips per step
CLIP = 5.0  # maximum norm of a gradient
LEAST = 0.7  # least weight of the tracks afterwards: on a few clips the reader of pixels becomes overconfident
Bar = Callable[[Iterable[int], str], Iterable[int]]


@dataclass(frozen=True)
class AdaptationSettings:
    """Settings of adaptation: ``what`` is tuned (one of `vsr.training.tuned_parts.KINDS`), number of steps, seed."""

    what: str = "adapters"
    steps: int = 30
    seed: int = 0

    def __post_init__(self):
        if self.what not in KINDS:
            raise VsrError("bad_config", f"unknown kind of adaptation '{self.what}'; known: {', '.join(KINDS)}")
        check_number("steps", self.steps, COUNT)
        check_number("seed", self.seed, SEED)


def check_adaptable(loaded: LoadedModel) -> None:
    """Raises VsrError bad_model for a model that does not read speech, or reads only tracks."""
    for part in _readers(loaded.model):
        if part.config.only_words or not part.config.vocab_size:
            raise VsrError("bad_model", f"{loaded.name} reads no speech: only a reader with CTC or decoder adapts")
    if getattr(loaded.model.config, "frontend", "") == "landmarks":
        raise VsrError("bad_model", f"{loaded.name} reads only tracks: adapt the fused model instead")


def adapt_model(
    loaded: LoadedModel, clips: Sequence[Clip], settings: AdaptationSettings,
    bar: Bar = lambda steps, what: steps, say: Callable[[str], None] = lambda text: None,
) -> LoadedModel:  # fmt: skip
    """A copy of the model, fine-tuned on ``clips``, which need crops, and tracks for the reader of tracks.

    Args:
        bar: wraps the range of steps of each reader, to show progress.
        say: prints a line about clips that a reader cannot learn from.

    Raises:
        VsrError: bad_manifest where no clip has a text with tokens, or a crop or track cannot be read; bad_model.
    """
    check_adaptable(loaded)
    model = copy.deepcopy(loaded.model)
    result = replace(loaded, model=model, languages={}, hashes={})
    if not isinstance(model, FusedReader):
        _train(model, _crops(result, model, clips, settings, say), settings, bar, "adapt")
        return result
    least, most = model.config.track_weights
    model.config = replace(model.config, track_weights=(max(LEAST, least), max(LEAST, most)))
    _train(model.pixels, _crops(result, model.pixels, clips, settings, say), settings, bar, "adapt pixels")
    if (tracks := _tracks(model, clips, settings, say)) is not None:
        _train(model.tracks, tracks, settings, bar, "adapt tracks")
    return result


def _readers(model: nn.Module) -> list[LipReader]:
    return [model.pixels, model.tracks] if isinstance(model, FusedReader) else [model]


def _crops(loaded: LoadedModel, reader: LipReader, clips, settings: AdaptationSettings, say) -> CropDataset:
    """The clips as a data set for the reader of pixels."""
    usable = with_tokens("transcribed", clips, loaded.tokenizer, bool(reader.ctc), say)
    return CropDataset(usable, loaded.tokenizer, Augmentation(), settings.seed, further_heads_of(reader.config))


def _tracks(model: FusedReader, clips, settings: AdaptationSettings, say) -> TrackDataset | None:
    """A data set of the clips that the reader of tracks can learn from; None if there are none."""
    tokenizer = WordTokenizer(model.config.words)
    usable = [clip for clip in clips if clip.track and clip.text.split() and UNK not in tokenizer.encode(clip.text)]
    if len(usable) < len(clips):
        say(f"{len(clips) - len(usable)} of {len(clips)} clips have no track or other words than the reader of tracks")
    if not usable:
        return None
    return TrackDataset(usable, tokenizer, TrackAugmentation(), settings.seed)


def _train(reader: LipReader, dataset: CropDataset, settings: AdaptationSettings, bar: Bar, what: str) -> None:
    """Train a reader in place; afterwards it is in evaluation mode."""
    device = next(reader.parameters()).device
    rate = OptimConfig(lr=RATES[settings.what], warmup_steps=WARMUP)
    objective = objective_of(reader.config, "")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        parts = tuned_parts(reader, settings.what)
        optimiser = torch.optim.AdamW(parts.parameters, rate.lr, betas=(0.9, 0.98), weight_decay=0.0)
        keep_statistics(reader)
        for step in bar(range(settings.steps), what):
            torch.manual_seed(int(np.random.SeedSequence((settings.seed, step, 0)).generate_state(1)[0]))
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(rate, step, step / settings.steps)
            batch = dataset.batch(_draw_indices(len(dataset), settings.seed, step), step).to(device)
            reader.zero_grad(set_to_none=True)
            objective(reader, batch)["loss"].backward()
            parts.gather()
            if torch.nn.utils.clip_grad_norm_(parts.parameters, CLIP).isfinite():
                optimiser.step()
                parts.update_model()
    reader.zero_grad(set_to_none=True)
    reader.requires_grad_(True).eval()


def _draw_indices(count: int, seed: int, step: int) -> list[int]:
    """Indices of the clips of a step, all of them where they are few."""
    return np.random.default_rng((seed, step)).permutation(count)[:TOGETHER].tolist()
