"""Stored outputs of an audio teacher for a clip: a file FOLDER/ID.safetensors of `vsr teach`.

| array | shape | of |
|---|---|---|
| `states` | (T, N, W) | every teacher: N states for each video frame |
| `ctc` | (T, V) | a model with CTC: log-probabilities |
| `context` | (U + 1, W) | a model with a decoder: what each token, and the end, takes from the states |
| `attention` | (U + 1, V) | the same: log-probabilities of the next token |
| `common` | (U + 1,) | the same: 1 where the teacher heard the token itself (LCS of LIBS), else -1, and at the end |

Its metadata say whose it is (``teacher``), the ``text`` that the decoder was shown and the ``units`` of its tokens.
Shapes: T video frames, U tokens, W width of the teacher, V its vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.artifacts import digest_of
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.text.tokenizer import alphabet_of

STATES, CTC, CONTEXT, ATTENTION, COMMON = "states", "ctc", "context", "attention", "common"


def units_of(tokenizer: Any) -> str:
    """A short name for what a tokenizer's tokens are."""
    return digest_of(list(alphabet_of(tokenizer)))


def file_of(folder: str | Path, clip: Clip) -> Path:
    """Where a clip's arrays are."""
    return Path(folder) / f"{clip.id}.safetensors"


def stored_states(folder: str | Path, clip: Clip) -> tuple[np.ndarray, str]:
    """The states (T, N, W) of a clip, of whatever sizes, and whose they are. Raises VsrError bad_features."""
    from safetensors import SafetensorError, safe_open

    path = file_of(folder, clip)
    try:
        with safe_open(str(path), framework="np") as stored:
            return stored.get_tensor(STATES), (stored.metadata() or {}).get("teacher", "")
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} holds no readable '{STATES}': {error}") from error


def read_taught(
    folder: str | Path, clip: Clip, name: str, steps: int, shape: tuple[int, ...], tokenizer: Any = None
) -> np.ndarray:
    """The array ``name`` (steps, *shape) float32 of a clip; whole numbers as int64.

    ``tokenizer``: whose tokens it must be of, and the clip's text with it.
    Raises VsrError bad_features: no file, nothing of that name, another length or width, other tokens, another text.
    """
    from safetensors import SafetensorError, safe_open

    path = file_of(folder, clip)
    try:
        with safe_open(str(path), framework="np") as stored:
            found, about = stored.get_tensor(name), stored.metadata() or {}
    except FileNotFoundError as error:
        raise VsrError("bad_features", f"{path} is not there: run vsr teach on the training lists") from error
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} holds no readable '{name}': {error}") from error
    if tokenizer is not None and about.get("units") != units_of(tokenizer):
        raise VsrError("bad_features", f"{path}: '{name}' has other tokens than this model")
    if tokenizer is not None and about.get("text") != clip.text:
        raise VsrError("bad_features", f"{path}: the text of {clip.id} was another one: run vsr teach again")
    if found.shape != (steps, *shape):
        raise VsrError("bad_features", f"{path}: '{name}' is {found.shape}, and not {(steps, *shape)}")
    return found.astype(np.int64 if np.issubdtype(found.dtype, np.integer) else np.float32)
