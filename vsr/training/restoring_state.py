"""State of a restorer's run, so that a killed run resumes bit-exactly: adapters or weights, optimiser, position in the
data, clock. Of a frozen backbone it holds only the SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from vsr.core.errors import VsrError, one_line
from vsr.core.files import atomic_write
from vsr.training.frozen import check_same, digests, frozen_names
from vsr.training.state import LAST


@dataclass
class RunProgress:
    """Progress of a run: ``epoch``, batches done in it, optimiser steps, and seconds spent."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0


def frozen_of(model: Any) -> dict[str, str]:
    """SHA-256 of the frozen tensors, by part of the model."""
    return digests(model.state_dict(), frozen_names(model))


def save_progress(folder: Path, model: Any, optimiser: Any, frozen: dict[str, str], progress: RunProgress) -> None:
    """Write ``last.pt`` atomically. Raises VsrError not_writable, no_space."""
    state = {
        "model": {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad},
        "frozen": frozen,
        "optimiser": optimiser.state_dict(),
        "reached": vars(progress),
    }
    with atomic_write(folder / LAST) as temporary:
        torch.save(state, temporary)


def load_progress(folder: Path, model: Any, optimiser: Any, frozen: dict[str, str]) -> RunProgress:
    """Load ``last.pt`` into model and optimiser. Raises VsrError bad_model where it is missing, of another model, or
    the backbone differs."""
    path = folder / LAST
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        check_same(frozen, state["frozen"])
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        if different := sorted(trained ^ state["model"].keys()):
            raise VsrError("bad_model", f"it was saved with other trained parts, such as {different[0]}")
        model.load_state_dict(state["model"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        return RunProgress(**state["reached"])
    except VsrError as error:
        raise VsrError(error.reason, f"cannot resume from {path}: {error}") from error
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, ValueError, UnpicklingError) as error:
        raise VsrError("bad_model", f"cannot resume from {path}: {one_line(error)[:200]}") from error
