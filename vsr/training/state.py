"""State of a run: weights, their average, optimiser, position in the data, clock. Saved atomically, read safely."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.training.frozen import alias, check_same, digests, frozen_names
from vsr.training.sharding import cut_like, cut_model, cut_optimiser, gather_whole

LAST = "last.pt"


class Average:
    """Exponential moving average of trained weights and buffers; in early steps it follows faster.

    ``model`` is whole on every rank, and shares frozen tensors with the trained model. If the trained model is sharded,
    the average is too, and `gather` updates ``model``. ``frozen``: SHA-256 of the parts that are not averaged.
    ``teaches``: whether ``model`` is read in training, so that every `update` gathers.
    """

    teaches = False

    def __init__(self, model: nn.Module, decay: float):
        self.left_alone, state = dict.fromkeys(frozen_names(model)), model.state_dict(keep_vars=True)
        self.frozen = digests(state, self.left_alone)
        shared = {id(state[name]): alias(state[name]) for name in self.left_alone}
        self.model = copy.deepcopy(model, shared).eval().requires_grad_(False)
        self.decay = decay
        self.tensors = self.weights()

    def weights(self) -> dict[str, Tensor]:
        """The averaged tensors of ``model``."""
        return self.changing(self.model.state_dict())

    def changing(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a model's state that are not frozen."""
        return {name: tensor for name, tensor in state.items() if name not in self.left_alone}

    def cut(self, model: nn.Module) -> None:
        """Shard the average like the sharded ``model``: keep the same piece of every tensor."""
        like = model.state_dict()
        self.tensors = {name: cut_like(tensor, like[name]) for name, tensor in self.weights().items()}

    @torch.no_grad()
    def gather(self) -> None:
        """Assemble the pieces in ``model``, where it stands; all ranks call it. What is not sharded is there."""
        for name, whole in self.weights().items():
            if isinstance(piece := self.tensors[name], DTensor):
                whole.copy_(piece.full_tensor())

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards ``model`` after optimiser step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, new = self.tensors, model.state_dict()
        floats = [name for name in averages if averages[name].is_floating_point()]
        cut = [name for name in floats if isinstance(averages[name], DTensor)]
        for names in (cut, [name for name in floats if name not in cut]):  # a call takes tensors of one type
            if names:
                torch._foreach_lerp_(
                    [averages[name] for name in names], [new[name].float() for name in names], 1 - decay
                )
        for name in averages.keys() - set(floats):
            averages[name].copy_(new[name])
        if self.teaches:
            self.gather()


@dataclass
class Progress:
    """Progress of a run: ``epoch``, batches done in it, optimiser steps, seconds spent, and steps ``skipped`` for lack
    of a finite gradient; ``sums`` of the losses in the epoch's ``counted`` steps, which are those that were not."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0

    def count(self, losses: dict[str, float]) -> None:
        """Add the losses of a step to those of its epoch."""
        self.counted += 1
        self.sums = {name: self.sums.get(name, 0.0) + losses.get(name, 0.0) for name in {**self.sums, **losses}}

    def end_epoch(self) -> dict[str, float]:
        """Advance to the next epoch; returns the mean losses of the one that ended."""
        means = {name: value / max(1, self.counted) for name, value in self.sums.items()}
        self.epoch, self.batch, self.sums, self.counted = self.epoch + 1, 0, {}, 0
        return means


def save_state(
    folder: Path, model: nn.Module, average: Average, optimiser, progress: Progress, write: bool, scaler: Any = None
) -> None:  # fmt: skip
    """Write ``last.pt`` atomically: after a kill at any moment there is the old file or the new one.

    Of frozen parts it holds only the SHA-256 (`vsr.training.frozen`). All ranks call it, one of them with ``write``;
    ``average`` must be gathered before. ``scaler``: of the gradients, in 16-mixed.
    """
    state = {
        "model": gather_whole(average.changing(model.state_dict()), write),
        "average": average.weights(),
        "frozen": average.frozen,
        "optimiser": gather_whole(optimiser.state_dict(), write),
        "progress": vars(progress),
        "scaler": scaler.state_dict() if scaler is not None else {},
    }
    if not write:
        return
    with atomic_write(folder / LAST) as temporary:
        torch.save(state, temporary)
        with temporary.open("r+b") as file:  # a machine that fails must not leave a new name without its content
            os.fsync(file.fileno())


def load_state(folder: Path, model: nn.Module, average: Average, optimiser, scaler: Any = None) -> Progress:
    """Load ``last.pt`` into model, average, optimiser and ``scaler``, whatever number of ranks wrote it.

    Raises VsrError if it is missing, of another model, or if the frozen weights differ.
    """
    path = folder / LAST
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        check_same(average.frozen, begun_with(state, average))
        for target, weights in ((model, cut_model(state["model"], model)), (average.model, state["average"])):
            current = target.state_dict()
            target.load_state_dict(average.changing(weights) | {name: current[name] for name in average.left_alone})
        average.cut(model)
        optimiser.load_state_dict(cut_optimiser(state["optimiser"], optimiser))
        if scaler is not None and state.get("scaler"):  # a run may go on in another precision
            scaler.load_state_dict(state["scaler"])
    except VsrError as error:
        raise VsrError(error.reason, f"cannot resume from {path}: {error}") from error
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        lines = (str(error) or type(error).__name__).splitlines()
        what = lines[min(1, len(lines) - 1)].strip()  # torch names the tensor that does not fit in the second line
        raise VsrError("bad_model", f"cannot resume from {path}: {what}") from error
    return Progress(**state["progress"])


def begun_with(state: dict, average: Average) -> dict[str, str]:
    """Digests of the frozen parts in a saved state; earlier versions saved the weights themselves."""
    if "frozen" in state:
        return state["frozen"]
    return digests(state["model"], average.left_alone)
