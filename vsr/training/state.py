"""What a run has reached: weights, their average, optimiser, place in the data, clock. Saved whole, read safely."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from vsr.errors import VsrError
from vsr.files import atomic_write

LAST = "last.pt"


class Average:
    """Exponential moving average of weights and buffers; young averages follow faster."""

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards ``model`` after optimiser step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own, new = self.model.state_dict(), model.state_dict()
        floats = [name for name in own if own[name].is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floats], [new[n].float() for n in floats], 1 - decay)
        for name in own.keys() - set(floats):
            own[name].copy_(new[name])


@dataclass
class Progress:
    """Where a run stands: batches of ``epoch`` that are done, optimiser steps, seconds spent."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0


def save_state(folder: Path, model: nn.Module, average: Average, optimiser, progress: Progress) -> None:
    """Write ``last.pt`` atomically: a run killed at any moment finds the old one or the new one."""
    state = {
        "model": model.state_dict(),
        "average": average.model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": vars(progress),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic_write(folder / LAST) as temporary:
        torch.save(state, temporary)


def load_state(folder: Path, model: nn.Module, average: Average, optimiser) -> Progress:
    """Read ``last.pt`` back into everything. Raises VsrError if it is not there or of another model."""
    path = folder / LAST
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        if torch.cuda.is_available() and len(state["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        lines = (str(error) or type(error).__name__).splitlines()
        what = lines[min(1, len(lines) - 1)].strip()  # torch says in the second line which tensor does not fit
        raise VsrError("bad_model", f"cannot resume from {path}: {what}") from error
    return Progress(**state["progress"])
