"""Stored outputs of an audio teacher for a clip: a file FOLDER/ID.safetensors of `vsr teach`.

| array | shape | of |
|---|---|---|
| `states` | (T, N, W) | every teacher: N states for each video frame |
| `ctc` | (T, V) | a model with CTC: log-probabilities |
| `context` | (U + 1, W) | a model with a decoder: the attention context of each token, and of the end |
| `attention` | (U + 1, V) | the same: log-probabilities of the next token |
| `common` | (U + 1,) | the same: 1 where the teacher heard the token itself (LCS of LIBS), else and at the end -1 |

Its metadata name the ``teacher``, the ``text`` that the decoder was given and the ``units`` of its tokens.
Shapes: T video frames, U tokens, W width of the teacher, V its vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.artifacts import digest_of
from vsr.core.errors import VsrError, cause_of
from vsr.data.manifest import Clip
from vsr.text.tokenizer import alphabet_of

STATES, CTC, CONTEXT, ATTENTION, COMMON = "states", "ctc", "context", "attention", "common"


def units_of(tokenizer: Any) -> str:
    """A short name for the tokens of a tokenizer."""
    return digest_of(list(alphabet_of(tokenizer)))


def file_of(folder: str | Path, clip: Clip) -> Path:
    """The file with a clip's arrays."""
    return Path(folder) / f"{clip.id}.safetensors"


def stored_states(folder: str | Path, clip: Clip) -> tuple[np.ndarray, str]:
    """The states (T, N, W) of a clip, of any size, and the name of the teacher. Raises VsrError bad_features."""
    from safetensors import SafetensorError, safe_open

    path = file_of(folder, clip)
    try:
        with safe_open(str(path), framework="np") as stored:
            return stored.get_tensor(STATES), (stored.metadata() or {}).get("teacher", "")
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} holds no readable '{STATES}': {cause_of(error)}") from error


def read_teacher_target(
    folder: str | Path, clip: Clip, name: str, steps: int, shape: tuple[int, ...], tokenizer: Any = None
) -> np.ndarray:
    """The array ``name`` (steps, *shape) float32 of a clip; whole numbers as int64.

    ``tokenizer``: checks that the array is for its tokens and for the clip's text.
    Raises VsrError bad_features: no file, no array of that name, another length or width, other tokens, another text.
    """
    from safetensors import SafetensorError, safe_open

    path = file_of(folder, clip)
    try:
        with safe_open(str(path), framework="np") as stored:
            array, metadata = stored.get_tensor(name), stored.metadata() or {}
    except FileNotFoundError as error:
        raise VsrError("bad_features", f"{path} is not there: run vsr teach on the training lists") from error
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} holds no readable '{name}': {cause_of(error)}") from error
    if tokenizer is not None and metadata.get("units") != units_of(tokenizer):
        raise VsrError("bad_features", f"{path}: '{name}' has other tokens than this model")
    if tokenizer is not None and metadata.get("text") != clip.text:
        raise VsrError("bad_features", f"{path}: the text of {clip.id} was another one: run vsr teach again")
    if array.shape != (steps, *shape):
        raise VsrError("bad_features", f"{path}: '{name}' is {array.shape}, and not {(steps, *shape)}")
    return array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32)
