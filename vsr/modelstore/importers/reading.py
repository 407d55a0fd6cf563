"""Reads untrusted checkpoints: returns tensors and plain values, and never runs anything in the file.

PyTorch's weights-only unpickler builds tensors and refuses every other class. Training checkpoints also hold settings
and dictionaries of classes that are not installed here: `Inert` stands in for each of them, keeps the object's stored
state and does nothing.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.filetypes import wrong_file_note

# Errors that a broken file can raise, as PyTorch does not check it first.
READING_ERRORS = (
    pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, RuntimeError, TypeError, IndexError,
    AttributeError, AssertionError,
)  # fmt: skip


class Inert:
    """Stands in for any object or function call of the file: its arguments and its state, for reading only."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        inert = super().__new__(cls)
        inert.args, inert.state = args, None
        return inert

    def __init__(self, *_, **__):
        """Calling it, as the file may ask, does nothing."""

    def __setstate__(self, state):
        object.__setattr__(self, "state", state)


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """The dictionary that `torch.save` wrote, on the CPU.

    Raises:
        VsrError: bad_model if there is no such file, it is no checkpoint, or needs more than tensors and settings.
    """
    path = Path(path)
    if what := wrong_file_note(path):
        problem = f" is no checkpoint that can be read safely: it is {what}" if path.is_file() else f": {what}"
        raise VsrError("bad_model", f"{path}{problem}")
    try:
        value = _load(path)
    except READING_ERRORS as error:
        raise VsrError(
            "bad_model", f"{path} is no checkpoint that can be read safely: {_short_reason(error)}"
        ) from error
    if not isinstance(value, Mapping):
        raise VsrError("bad_model", f"{path} holds a {type(value).__name__}, not the dictionary of a checkpoint")
    return value


def _short_reason(error: Exception) -> str:
    """PyTorch's reason, without its advice to read the file unsafely."""
    # an opcode that no pickle has, or none that PyTorch writes
    if isinstance(error, KeyError | IndexError) or "Unsupported operand" in str(error):
        return "it is none that torch.save wrote"
    match = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    return " ".join((match.group(1) if match else str(error)).split())[:160] or type(error).__name__


def _load(path: Path) -> Any:
    import torch

    names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
    with torch.serialization.safe_globals([(Inert, name) for name in names]):
        return torch.load(path, map_location="cpu", weights_only=True)


def plain_settings(value: Any) -> Any:
    """Settings as plain dictionaries and lists, whichever class they were; unknown values become None."""
    if isinstance(value, Inert):
        state = value.state
        if isinstance(state, Mapping) and "_content" in state:  # a node of omegaconf
            return plain_settings(state["_content"])
        if isinstance(state, Mapping) and "_val" in state:
            return plain_settings(state["_val"])
        if state is None and len(value.args) == 1:  # a member of an enumeration: the class called with its value
            return plain_settings(value.args[0])
        return plain_settings(state)
    if isinstance(value, Mapping):
        return {str(key): plain_settings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_settings(item) for item in value]
    return value


def weights_of(checkpoint: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """The named tensors of a checkpoint: at the top level, or inside Lightning's `state_dict` or fairseq's `model`.

    Raises VsrError (bad_model) if there are none, or one does not hold plain numbers.
    """
    import torch

    for wrapper in ("state_dict", "model"):
        if isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    weights = {name: tensor for name, tensor in checkpoint.items() if isinstance(tensor, torch.Tensor)}
    if not weights:
        raise VsrError("bad_model", f"{path} holds no named tensors")
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
            raise VsrError("bad_model", f"{path}: {name!r} is not a tensor of plain numbers")
    if all(name.startswith("model.") for name in weights):
        weights = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    return weights
