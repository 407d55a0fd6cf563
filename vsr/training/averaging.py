"""The mean of the weights of several epochs: a model folder that is better than any of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import VsrError
from vsr.hub import load_model, save_model


def average_epochs(run_folder: str | Path, last: int, out: str | Path) -> Path:
    """Average the weights that training kept of its ``last`` epochs (Izmailov et al. 2018).

    The run's ``model/`` gives the configuration and the tokenizer. Raises VsrError when there are fewer epochs.
    """
    run_folder = Path(run_folder)
    if last < 1:
        raise VsrError("bad_config", f"cannot average {last} epochs: give at least 1")
    files = sorted((run_folder / "epochs").glob("*.safetensors"))[-last:]
    if len(files) < last:
        raise VsrError("bad_model", f"{run_folder / 'epochs'} holds {len(files)} epochs, not {last}")
    loaded = load_model(run_folder / "model")
    loaded.model.load_state_dict(mean_weights(files))
    extra = {key: value for key, value in loaded.config.items() if key not in ("format", "model")}
    return save_model(out, loaded.model, loaded.tokenizer, extra | {"averaged": [f.stem for f in files]}, half=True)


def mean_weights(files: list[Path]) -> dict[str, Tensor]:
    """Tensor by tensor mean; counters are taken from the last file."""
    from safetensors.torch import load_file

    total = load_file(files[0])
    for file in files[1:]:
        for name, tensor in load_file(file).items():
            total[name] = total[name] + tensor if tensor.is_floating_point() else tensor
    return {k: v / len(files) if torch.is_floating_point(v) else v for k, v in total.items()}
