"""A codebook of an audio teacher's states: centroids, and the nearest one to each state.

Shapes: K centroids, W width, S states.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.files import atomic_write

CENTROIDS = "centroids"


def read_codebook(path: str | Path) -> np.ndarray:
    """Centroids (K, W) float32. Raises VsrError bad_features."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as stored:
            centroids = stored.get_tensor(CENTROIDS)
    except (OSError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} is no codebook: {error}: vsr teach --codebook makes one") from error
    if centroids.ndim != 2:
        raise VsrError("bad_features", f"{path} is no codebook: its centroids are {centroids.shape}")
    return centroids.astype(np.float32)


def nearest(states: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """States (..., W) -> the number of the nearest centroid of each, (...) int64."""
    flat = states.reshape(-1, states.shape[-1])
    distances = (centroids**2).sum(-1) - 2 * flat @ centroids.T  # without the term that all centroids of a state share
    return distances.argmin(-1).reshape(states.shape[:-1]).astype(np.int64)


def fit_codebook(states: Sequence[np.ndarray], size: int, seed: int = 0) -> np.ndarray:
    """k-means of the states (S, W) of many clips -> centroids (K, W). Raises VsrError bad_options for fewer states."""
    from sklearn.cluster import MiniBatchKMeans

    points = np.concatenate([block.reshape(-1, block.shape[-1]) for block in states]).astype(np.float32)
    if len(points) < size:
        raise VsrError("bad_options", f"--codebook {size}: these clips have {len(points)} states")
    batch = min(10_000, len(points))
    fitted = MiniBatchKMeans(size, random_state=seed, n_init=1, batch_size=batch, max_iter=100).fit(points)
    return fitted.cluster_centers_.astype(np.float32)


def write_codebook(path: str | Path, centroids: np.ndarray, metadata: dict[str, str]) -> None:
    """Write centroids (K, W) with ``metadata``. Raises VsrError not_writable, no_space."""
    from safetensors.numpy import save_file

    with atomic_write(path) as temporary:
        save_file({CENTROIDS: np.ascontiguousarray(centroids)}, str(temporary), metadata)
