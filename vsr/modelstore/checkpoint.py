"""Reads and writes the two files of a model folder: weights in `model.safetensors`, settings in `config.json`.

Both are written by the hub modules of `vsr` and `lip2speech`, and read here with checks: names, shapes and settings are
compared with what this version builds before memory is spent. Nothing is ever unpickled: an untrusted folder can at
worst be refused, in one line that names the first error.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vsr.core.atomic import system_error, usual_mode
from vsr.core.errors import VsrError, one_line
from vsr.core.filetypes import is_json, wrong_file_note
from vsr.core.forks import use_one_thread_in_forks
from vsr.core.renamed_settings import with_new_names

FORMAT, NESTED = 1, 2  # format 1: flat settings; format 2, of lip readers: nested, each part with its kind
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def read_config(folder: Path) -> dict:
    """`config.json` of a model folder, with the checks common to all models. Raises VsrError bad_model."""
    if not folder.is_dir():
        raise bad_model(folder, "no such model folder")
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise bad_model(folder, f"not a model folder: it has no {CONFIG_FILE}") from error
    except (OSError, ValueError) as error:
        raise bad_model(folder, _unreadable(folder / CONFIG_FILE, error)) from error
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise bad_model(folder, f'{CONFIG_FILE} has no "model" object')
    if (version := config.get("format")) not in (FORMAT, NESTED) or isinstance(version, bool):
        newer = (
            "newer than this version, which reads" if isinstance(version, int) and version > NESTED else "not one of"
        )
        raise bad_model(folder, f"format {version!r} in {CONFIG_FILE} is {newer} {FORMAT} and {NESTED}")
    return config


def _unreadable(path: Path, error: Exception) -> str:
    """Why a file of a model cannot be read: what it is, if that can be detected, else the library's message."""
    what = "" if path.name == CONFIG_FILE and is_json(path) else wrong_file_note(path)
    return f"{path.name} cannot be read: {f'it is {what}' if what else one_line(error)}"


def stored_settings(folder: Path, config: dict, kind: type, nested: Callable[[dict], Any] | None = None) -> Any:
    """The dataclass ``kind`` with the settings under "model" in a folder's config; for format 2, ``nested`` makes it.

    Raises VsrError bad_model.
    """
    if config["format"] == NESTED and nested is not None:
        return _constructed(folder, lambda: nested(config["model"]))
    settings = with_new_names(kind, config["model"], say=False)
    unknown = sorted(settings.keys() - {item.name for item in dataclasses.fields(kind)})
    if unknown:
        raise bad_model(folder, f"{CONFIG_FILE} has a model setting {unknown[0]!r} unknown to this version")
    return _constructed(folder, lambda: kind(**settings))


def _constructed(folder: Path, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (TypeError, ValueError, AttributeError, KeyError, VsrError) as error:
        raise bad_model(folder, f"{CONFIG_FILE}: {one_line(error)}") from error


def save_weights(path: Path, model, half: bool) -> None:
    """Write a model's state as safetensors, floating point as fp16 if ``half``, without borrowed weights.

    Raises OSError, and VsrError not_finite for weights with NaN, or beyond the range of fp16.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from vsr.models.borrowed import borrowed_names

    def stored(name, tensor):
        dtype = torch.float16 if half and tensor.is_floating_point() else tensor.dtype
        # A copy, as safetensors refuses tensors that share memory (tied weights).
        copy = tensor.detach().to("cpu", dtype, copy=True).contiguous()
        if copy.is_floating_point() and not copy.isfinite().all():
            raise VsrError("not_finite", f"no model is written: {name!r} holds NaN, or numbers beyond its precision")
        return copy

    try:
        borrowed = borrowed_names(model)
        tensors = {name: tensor for name, tensor in model.state_dict().items() if name not in borrowed}
        save_file({name: stored(name, tensor) for name, tensor in tensors.items()}, str(path))
        usual_mode(path)
    except SafetensorError as error:  # the library reports a full disk like this
        raise system_error(error) or OSError(one_line(error)) from error


def load_weights(folder: Path, build: Callable[[], Any]) -> Any:
    """The model that ``build`` makes, with the folder's weights and those that it borrows; names and shapes are checked
    before memory is spent.

    Raises VsrError bad_model, missing_package.
    """
    from safetensors import SafetensorError, safe_open

    from vsr.models.borrowed import borrow, borrowed_names

    use_one_thread_in_forks()
    shapes = _built(folder, build, memory=False)
    borrowed = borrowed_names(shapes)
    expected = {name: tensor for name, tensor in shapes.state_dict().items() if name not in borrowed}
    try:
        with safe_open(str(folder / WEIGHTS_FILE), framework="pt") as stored:
            _check_shapes(folder, expected, stored)
            weights = {name: _read_tensor(folder, stored, name, expected[name].dtype) for name in expected}
    except (OSError, SafetensorError) as error:
        raise bad_model(folder, _unreadable(folder / WEIGHTS_FILE, error)) from error
    model = _built(folder, build)
    borrow(model)
    model.load_state_dict(weights, strict=not borrowed)
    return model


def _built(folder: Path, build: Callable[[], Any], memory: bool = True) -> Any:
    """The model that ``build`` makes, with uninitialised weights.

    Raises VsrError bad_model for settings that make no model, missing_package for a library that does not load.
    """
    from vsr.models.uninitialised import uninitialised

    try:
        with uninitialised(memory=memory):
            return build()
    except (ImportError, OSError) as error:
        message = f"a library that the model in {folder} needs cannot be loaded: {one_line(error)}"
        raise VsrError("missing_package", message) from error
    except (TypeError, ValueError, AssertionError, RuntimeError, ArithmeticError) as error:
        raise bad_model(folder, f"{CONFIG_FILE} describes no model: {one_line(error)}") from error


def _check_shapes(folder: Path, expected: dict, stored) -> None:
    names = set(stored.keys())
    for name, tensor in expected.items():
        if name not in names:
            raise bad_model(folder, f"{WEIGHTS_FILE} lacks {name!r}, which {CONFIG_FILE} asks for")
        shape = tuple(stored.get_slice(name).get_shape())
        if shape != tuple(tensor.shape):
            raise bad_model(folder, f"{name!r} has shape {shape}, {CONFIG_FILE} asks for {tuple(tensor.shape)}")
    for name in sorted(names - expected.keys()):
        raise bad_model(folder, f"{WEIGHTS_FILE} has {name!r}, which {CONFIG_FILE} does not ask for")


def _read_tensor(folder: Path, stored, name: str, dtype):
    tensor = stored.get_tensor(name)
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise bad_model(folder, f"{name!r} holds values that are not finite")
    return tensor.to(dtype)


def bad_model(folder: Path, what: str) -> VsrError:
    """The VsrError that says what is wrong with a model folder."""
    return VsrError("bad_model", f"{folder}: {what}")
