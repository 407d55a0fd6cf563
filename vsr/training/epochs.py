"""The epochs of a run: the averaged weights after each, with its figure on the dev list, and which of them are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsr.core.errors import VsrError, cause_of
from vsr.core.files import atomic_write
from vsr.training.state import Average

EPOCHS = "epochs"  # folder of a run
FROZEN = "frozen"  # metadata key: SHA-256 of the parts that are not in the file
DEV = "dev"  # metadata key: a `DevFigure`


@dataclass(frozen=True)
class DevFigure:
    """The figure of the dev list by which epochs are compared, such as dev_wer; ``higher``: whether more is better."""

    name: str
    value: float
    higher: bool = False

    @property
    def cost(self) -> float:
        """The value, signed so that less is better; infinite for NaN."""
        return math.inf if math.isnan(self.value) else -self.value if self.higher else self.value

    def __str__(self) -> str:
        return f"{self.name} {self.value:.3f}"


def keep_epoch(folder: Path, average: Average, epoch: int, figure: DevFigure, last: int, best: int = 0) -> None:
    """Save the averaged weights of an epoch, without frozen tensors, with its ``figure``; delete all epochs but the
    ``last`` ones and the ``best`` ones."""
    from safetensors.torch import save_file

    metadata = {FROZEN: json.dumps(average.frozen), DEV: json.dumps(asdict(figure))}
    with atomic_write(folder / f"{epoch:04d}.safetensors") as temporary:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in average.weights().items()}
        save_file(weights, str(temporary), metadata)
    files = epochs_of(folder)
    kept = {*files[-last:], *ranked(files)[:best]}
    for old in files:
        if old not in kept:
            old.unlink()


def drop_epochs_after(folder: Path, epoch: int) -> None:
    """Delete the epochs that a run at the end of ``epoch`` has not done: those of an earlier run in its folder would
    otherwise be averaged as its last ones, and its own be deleted as the oldest. Also what killed writes left."""
    for file in [file for file in epochs_of(folder) if int(file.stem) > epoch]:
        file.unlink()
    for leftover in folder.glob(".*.safetensors"):
        leftover.unlink(missing_ok=True)


def epochs_of(folder: Path) -> list[Path]:
    """The files of the kept epochs, in their order."""
    return sorted(
        (file for file in folder.glob("*.safetensors") if file.stem.isdigit()), key=lambda file: int(file.stem)
    )


def ranked(files: Sequence[Path]) -> list[Path]:
    """The epochs that have a figure of the dev list, the best first, and of equal ones the latest first."""
    figures = {file: figure for file in files if (figure := figure_of(file))}
    return sorted(figures, key=lambda file: (figures[file].cost, -int(file.stem)))


def best_epochs(run_folder: Path, number: int) -> list[tuple[Path, DevFigure]]:
    """The ``number`` kept epochs of a run with the best figures, in the order of training.

    Raises VsrError bad_model where so many have none.
    """
    files = epochs_of(run_folder / EPOCHS)
    known = ranked(files)
    if files and not known:
        problem = f"no epoch in {run_folder / EPOCHS} has a figure of the dev list, as an earlier version trained them"
        raise VsrError("bad_model", f"{problem}: average by --last")
    if len(known) < number:
        problem = f"{run_folder / EPOCHS} holds {len(known)} epochs with a figure of the dev list, not {number}"
        raise VsrError("bad_model", problem)
    return [(file, figure) for file in files if file in known[:number] and (figure := figure_of(file))]


def figure_of(file: Path) -> DevFigure | None:
    """The figure of an epoch on the dev list; None if the file has none."""
    stored = metadata_of(file).get(DEV)
    return DevFigure(**json.loads(stored)) if stored else None


def frozen_parts(file: Path) -> list[str]:
    """Parts of the model that an epoch's weights leave out wholly or partly; the run's ``model/`` has them."""
    return list(json.loads(metadata_of(file).get(FROZEN, "{}")))


def metadata_of(file: Path) -> dict[str, str]:
    """The metadata of a safetensors file. Raises VsrError bad_model for one that cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as stored:
            return stored.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_model", f"cannot read {file}: {cause_of(error)}") from error
