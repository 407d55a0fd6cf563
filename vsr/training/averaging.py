"""Averaging of weights: of the last or best epochs of a run, or of models of which one was trained from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.files import same_file
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.folder import LoadedModel, load_model, save_model
from vsr.modelstore.nested_settings import to_nested
from vsr.text.tokenizer import pieces_of
from vsr.training.epochs import EPOCHS, best_epochs, epochs_of, frozen_parts


def average_epochs(run_folder: str | Path, last: int, out: str | Path) -> Path:
    """Average the saved weights of the ``last`` epochs of a run (Izmailov et al. 2018).

    Configuration and tokenizer come from the run's ``model/``. Raises VsrError when there are fewer epochs.
    """
    run_folder = Path(run_folder)
    _check_number(last)
    files = epochs_of(run_folder / EPOCHS)[-last:]
    if len(files) < last:
        raise VsrError("bad_model", f"{run_folder / EPOCHS} holds {len(files)} epochs, not {last}")
    return _average_of(run_folder, files, out)


def average_best(run_folder: str | Path, best: int, out: str | Path, say: Callable[[str], object] = print) -> Path:
    """Average the saved weights of the ``best`` epochs of a run by its figure on the dev list, which ``say`` reports.

    As ESPnet (Watanabe et al. 2018) does. A run keeps its last epochs, and of the others those that trainer.keep_best
    asked for. Raises VsrError when there are fewer epochs with a figure.
    """
    _check_number(best)
    chosen = best_epochs(Path(run_folder), best)
    for file, figure in chosen:
        say(f"epoch {int(file.stem):3d}  {figure}")
    return _average_of(Path(run_folder), [file for file, _ in chosen], out)


def _check_number(epochs: int) -> None:
    if epochs < 1:
        raise VsrError("bad_config", f"cannot average {epochs} epochs: give at least 1")


def _average_of(run_folder: Path, files: list[Path], out: str | Path) -> Path:
    """The model of a run with the mean of the weights in ``files``."""
    loaded = load_model(run_folder / "model")
    state = loaded.model.state_dict()
    frozen = {name: state[name] for name in state if name.partition(".")[0] in frozen_parts(files[-1])}
    loaded.model.load_state_dict(frozen | mean_weights(files))
    extra = {key: value for key, value in loaded.config.items() if key not in ("format", "model")}
    return save_model(out, loaded.model, loaded.tokenizer, extra | {"averaged": [f.stem for f in files]}, half=True)


def average_models(folders: Sequence[str | Path], out: str | Path) -> Path:
    """Average the weights of models of which one was trained on from another (Wortsman et al. 2022, WiSE-FT).

    Tokenizer and settings are those of the first; the confidence must be fitted again. Raises VsrError when the models
    differ in sizes or tokens.
    """
    models = [load_model(folder) for folder in folders]
    first = models[0]
    for other in models[1:]:
        if _parts(other) != _parts(first) or _pieces(other) != _pieces(first):
            raise VsrError("bad_model", f"{other.folder} has other sizes or tokens than {first.folder}")
    first.model.load_state_dict(mean_of([loaded.model.state_dict() for loaded in models]))
    extra = {key: value for key, value in first.config.items() if key not in ("format", "model", "confidence")}
    extra |= {"name": Path(out).parent.name, "averaged": [_training_record(loaded.config) for loaded in models]}
    return save_model(out, first.model, first.tokenizer, extra, half=True)


def _training_record(config: dict) -> dict:
    """The record of a model's training, and of what was averaged in it."""
    return config.get("training", {}) | ({"averaged": config["averaged"]} if "averaged" in config else {})


def _parts(loaded: LoadedModel) -> dict:
    """All settings of the parts, since a folder may state one that follows from others, and another leave it out."""
    return to_nested(loaded.model.config)


def _pieces(loaded: LoadedModel) -> list[str]:
    return pieces_of(loaded.tokenizer)


def check_place(out: str | Path, models: Sequence[str] | None, run_folder: str | Path | None) -> None:
    """Refuse to overwrite a model that is not an average, except the run's own model/, whose epochs remain.

    Raises VsrError exists.
    """
    out = Path(out)
    if not (out / CONFIG_FILE).exists():
        return
    if run_folder is not None and same_file(out, Path(run_folder) / "model"):
        return
    if any(same_file(out, model) for model in models or ()) or not read_config(out).get("averaged"):
        raise VsrError("exists", f"{out} holds a model that is no average of these: choose another --out")


def mean_weights(files: list[Path]) -> dict[str, Tensor]:
    """Mean of the tensors in files; integer tensors (counters) are taken from the last file."""
    from safetensors.torch import load_file

    return mean_of(load_file(file) for file in files)


def mean_of(states: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of the tensors in states; integer tensors (counters) are taken from the last state."""
    total: dict[str, Tensor] = {}
    count = 0
    for state in states:
        count += 1
        for name, tensor in state.items():
            total[name] = total[name] + tensor if name in total and tensor.is_floating_point() else tensor
    return {name: tensor / count if torch.is_floating_point(tensor) else tensor for name, tensor in total.items()}
