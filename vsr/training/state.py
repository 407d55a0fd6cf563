"""What a run has reached: weights, their average, optimiser, place in the data, clock. Saved whole, read safely."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.training.frozen import alias, check_same, digests, frozen_names
from vsr.training.sharding import cut_like, cut_model, cut_optimiser, whole

LAST = "last.pt"


class Average:
    """Exponential moving average of what is trained and of buffers; young averages follow faster.

    ``model`` is whole on every rank, and shares what is frozen with the trained one. Where that is cut, the average is
    too, and `gather` brings ``model`` up to date. ``frozen``: what is not averaged, by its SHA-256.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.left_alone, state = dict.fromkeys(frozen_names(model)), model.state_dict(keep_vars=True)
        self.frozen = digests(state, self.left_alone)
        shared = {id(state[name]): alias(state[name]) for name in self.left_alone}
        self.model = copy.deepcopy(model, shared).eval().requires_grad_(False)
        self.decay = decay
        self.tensors = self.weights()

    def weights(self) -> dict[str, Tensor]:
        """What is averaged, of ``model``."""
        return self.changing(self.model.state_dict())

    def changing(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a model's state what is not frozen."""
        return {name: tensor for name, tensor in state.items() if name not in self.left_alone}

    def cut(self, model: nn.Module) -> None:
        """Keep of every tensor the piece that the sharded ``model`` keeps of it."""
        like = model.state_dict()
        self.tensors = {name: cut_like(tensor, like[name]) for name, tensor in self.weights().items()}

    def gather(self) -> None:
        """Put the pieces together in ``model``; all ranks call it."""
        self.model.load_state_dict(whole(self.tensors), strict=False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards ``model`` after optimiser step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own, new = self.tensors, model.state_dict()
        floats = [name for name in own if own[name].is_floating_point()]
        cut = [name for name in floats if isinstance(own[name], DTensor)]
        for names in (cut, [name for name in floats if name not in cut]):  # one call takes one kind of tensors
            if names:
                torch._foreach_lerp_([own[n] for n in names], [new[n].float() for n in names], 1 - decay)
        for name in own.keys() - set(floats):
            own[name].copy_(new[name])


@dataclass
class Progress:
    """Where a run stands: batches of ``epoch`` that are done, optimiser steps, seconds spent, steps ``skipped`` as
    they had no finite gradient."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0


def save_state(folder: Path, model: nn.Module, average: Average, optimiser, progress: Progress, write: bool) -> None:
    """Write ``last.pt`` atomically: a run killed at any moment finds the old one or the new one.

    Of what is frozen it holds the SHA-256 alone (`vsr.training.frozen`). All ranks call it, one with ``write``;
    ``average`` is gathered.
    """
    state = {
        "model": whole(average.changing(model.state_dict())),
        "average": average.weights(),
        "frozen": average.frozen,
        "optimiser": whole(optimiser.state_dict()),
        "progress": vars(progress),
    }
    if not write:
        return
    with atomic_write(folder / LAST) as temporary:
        torch.save(state, temporary)


def load_state(folder: Path, model: nn.Module, average: Average, optimiser) -> Progress:
    """Read ``last.pt`` back into everything, whatever number of ranks wrote it.

    Raises VsrError if it is not there, of another model, or beside other frozen weights.
    """
    path = folder / LAST
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        check_same(average.frozen, begun_with(state, average))
        for target, given in ((model, cut_model(state["model"], model)), (average.model, state["average"])):
            own = target.state_dict()
            target.load_state_dict(average.changing(given) | {name: own[name] for name in average.left_alone})
        average.cut(model)
        optimiser.load_state_dict(cut_optimiser(state["optimiser"], optimiser))
    except VsrError as error:
        raise VsrError(error.reason, f"cannot resume from {path}: {error}") from error
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        lines = (str(error) or type(error).__name__).splitlines()
        what = lines[min(1, len(lines) - 1)].strip()  # torch says in the second line which tensor does not fit
        raise VsrError("bad_model", f"cannot resume from {path}: {what}") from error
    return Progress(**state["progress"])


def begun_with(state: dict, average: Average) -> dict[str, str]:
    """The digests of what was frozen in a run that was saved; earlier versions saved the weights themselves."""
    if "frozen" in state:
        return state["frozen"]
    return digests(state["model"], average.left_alone)
