"""Shared by the rigs on speech units: examples, random batches, and training."""

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from rig import Plan, steps

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader
from vsr.models.target_heads import UNITS
from vsr.objectives.ctc_attention import ctc_attention

CLIPS = 12  # clips per batch
LONGEST = 8  # frames of a masked span
Examples = list[tuple[Tensor, Tensor]]  # inputs (T, ...), and tokens (U,) or units (T, 2, 1)
BatchSampler = Callable[[np.random.Generator], Examples]


def state_unit_pairs(states: Sequence[Tensor], units: Sequence[Tensor]) -> Examples:
    """States (T, D) of clips with their units (T', 2), both cut to the shorter."""
    pairs = zip(states, units, strict=True)
    return [(clip_states[: len(known)], known[: len(clip_states), :, None]) for clip_states, known in pairs]


def batch_of(examples: Examples) -> Batch:
    """Pads and stacks examples; the key ``units`` holds the inputs, whatever they are."""
    inputs, targets = zip(*examples, strict=True)
    name = "tokens" if targets[0].dim() == 1 else UNITS
    lengths = torch.tensor([len(clip_input) for clip_input in inputs])
    padded_targets = {name: pad_sequence(targets, True, IGNORE)}
    return Batch({UNITS: pad_sequence(inputs, True)}, lengths, padded_targets, [""] * len(inputs))


def batch_sampler(examples: Examples, size: int = 0, replaced: float = 0.0) -> BatchSampler:
    """Function that draws random batches: a share ``replaced`` of the units is exchanged for others of ``size``, or a
    span of the states is masked."""

    def changed(inputs: Tensor, rng: np.random.Generator) -> Tensor:
        if inputs.is_floating_point():
            return with_masked_span(inputs, rng)
        return with_random_units(inputs, size, replaced, rng)

    def draw(rng: np.random.Generator) -> Examples:
        return [(changed(examples[i][0], rng), examples[i][1]) for i in rng.integers(0, len(examples), CLIPS)]

    return draw


def with_masked_span(states: Tensor, rng: np.random.Generator) -> Tensor:
    """States (T, D) with a random span replaced by its clip's mean."""
    masked = states.clone()
    first = int(rng.integers(0, len(states)))
    masked[first : first + int(rng.integers(0, LONGEST + 1))] = states.mean(0)
    return masked


def with_random_units(units: Tensor, size: int, share: float, rng: np.random.Generator) -> Tensor:
    """Units (T, 2) with a ``share`` of them replaced by random ones."""
    shape = tuple(units.shape)
    others = torch.from_numpy(rng.integers(0, size, shape))
    return torch.where(torch.from_numpy(rng.random(shape) < share), others, units)


def fit(
    model: nn.Module, loss: Callable[[Batch], Tensor], draw: BatchSampler, count: int, lr: float, seed: int
) -> None:
    """Train in place for ``count`` steps with a cosine decay to 0, on batches from ``draw``."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr, weight_decay=0.03)
    batches = (batch_of(draw(rng)) for _ in itertools.repeat(None))
    for _ in steps(model, lambda _, batch: {"loss": loss(batch)}, batches, Plan(count, lr, warmup=20), optimiser):
        pass


def fit_text(reader: LipReader, draw: BatchSampler, count: int, lr: float, seed: int) -> None:
    """`fit` a reader to the tokens of the examples."""
    fit(reader, lambda batch: ctc_attention(reader, batch)["loss"], draw, count, lr, seed)
