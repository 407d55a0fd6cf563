"""Chooses the precision for a model folder, before its weights are loaded."""

from __future__ import annotations

import math
from pathlib import Path

from vsr.core.errors import one_line
from vsr.core.machine import AUTO, BFLOAT16, FLOAT32, INT8, check_precision
from vsr.modelstore.checkpoint import WEIGHTS_FILE, bad_model, read_config

BIG = (
    50_000_000  # weights from which "auto" lowers the precision; smaller models gain little (tools/bench/precision.py)
)


def chosen_precision(folder: Path, requested: str = AUTO, device: str = "cpu") -> str:
    """The precision that is ``requested``; "auto" is bfloat16 or int8 for big models on CPUs that support it, else
    float32.

    On a GPU "auto" is float32: nothing lower was measured there.

    Raises:
        VsrError: bad_options for an unknown precision, bad_model.
    """
    check_precision(requested)
    if requested != AUTO:
        return requested
    read_config(folder)
    if not str(device).startswith("cpu") or number_of_weights(folder) < BIG:
        return FLOAT32
    from vsr.models.precision import native_bfloat16, native_int8

    if native_bfloat16():
        return BFLOAT16
    return INT8 if native_int8() else FLOAT32


def number_of_weights(folder: Path) -> int:
    """Number of weights of a model folder, read from the header of its file. Raises VsrError bad_model."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(folder / WEIGHTS_FILE), framework="np") as stored:
            names = stored.keys()
            return sum(math.prod(stored.get_slice(name).get_shape()) for name in names)
    except (OSError, SafetensorError) as error:
        raise bad_model(folder, f"{WEIGHTS_FILE} cannot be read: {one_line(error)}") from error
