"""Speech units of a clip, several per video frame, as targets for a model that reads the video.

One file per clip: FOLDER/ID.safetensors, such as `lip2speech features` makes, with whole numbers (T * N,) or
(T * N, G): N units per frame, from each of G codebooks. Shapes: T frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError, cause_of
from vsr.data.manifest import Clip


def read_frame_units(
    folder: str | Path, clip: Clip, name: str, frames: int, per_frame: int, groups: int, size: int
) -> np.ndarray:
    """Units (T, N, G) int64 of a clip of ``frames`` frames, -1 where unknown.

    Raises VsrError bad_features: no file, no array of that name, another length than T * N, a unit of ``size`` or more.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / f"{clip.id}.safetensors"
    try:
        with safe_open(str(path), framework="np") as stored:
            units = stored.get_tensor(name)
    except FileNotFoundError as error:
        raise VsrError("bad_features", f"{path} is not there: make the units of every clip first") from error
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} holds no readable '{name}': {cause_of(error)}") from error
    if units.shape not in ((frames * per_frame, groups), *([(frames * per_frame,)] if groups == 1 else [])):
        problem = f"{path}: '{name}' is {units.shape}, and not {per_frame} x {groups} for each of {frames} frames"
        raise VsrError("bad_features", problem)
    if not np.issubdtype(units.dtype, np.integer) or units.min(initial=0) < -1 or units.max(initial=0) >= size:
        raise VsrError("bad_features", f"{path}: '{name}' are no units below {size}")
    return units.astype(np.int64).reshape(frames, per_frame, groups)
