"""Anonymous voices: the mean of several that are far from the source (after the pool of the VoicePrivacy baseline).

A mean of voices differs from each of them. That speaker verification is misled says little about human listeners, who
tell many such pairs apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.core.errors import VsrError
from vsr.core.numbers import SEED, check_number

if TYPE_CHECKING:
    import numpy as np

ANONYMOUS = "anonymous"
POOL = Path(__file__).parents[1] / "weights/voices.safetensors"
FAR = 0.6  # cosine to the source below which a voice is far; two speakers of LibriSpeech have .59 on average
FEWEST, MOST = 3, 5  # voices in the mean
CHOICE = 30  # farthest voices, from which the mean is drawn
TRIES = 100


def seed_of(reference: str) -> int | None:
    """The seed in ``anonymous`` or ``anonymous:SEED``; None for any other reference. Raises VsrError bad_options."""
    kind, _, seed = reference.partition(":")
    if kind != ANONYMOUS:
        return None
    if not seed:
        if reference != ANONYMOUS:
            raise VsrError("bad_options", f"--reference {reference}: the seed is missing")
        return 0
    if not (seed.isascii() and seed.isdigit()):
        raise VsrError("bad_options", f"--reference {reference}: the seed is a whole number")
    check_number("the seed of --reference", int(seed), SEED, "bad_options")
    return int(seed)


@cache
def shipped_pool() -> np.ndarray:
    """Embeddings (261, 256) of length 1, one for each speaker of LibriSpeech (Panayotov et al. 2015, CC BY 4.0)."""
    import numpy as np
    from safetensors.numpy import load_file

    vectors = load_file(POOL)["vectors"].astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def anonymous_vector(pool: Sequence[np.ndarray], source: np.ndarray | None, seed: int = 0) -> np.ndarray:
    """The mean, of length 1, of 3 to 5 of the 30 voices of a pool that are farthest from the source.

    The cosine to the source is below .6 for each, and for their mean.

    Args:
        pool: vectors (256,) of length 1, a voice each.
        source: (256,) of length 1; None: there is no source.
        seed: of the draw; the same seed gives the same voice for the same source and pool.

    Raises VsrError bad_options: fewer than three voices are far, or no mean of them is.
    """
    import numpy as np

    source = np.zeros_like(pool[0]) if source is None else source
    cosines = np.array([vector @ source for vector in pool])
    order = np.argsort(cosines, kind="stable")
    chosen = order[:CHOICE] if source.any() else order
    far = np.array([pool[index] for index in chosen if cosines[index] < FAR])
    if len(far) < FEWEST:
        raise VsrError("bad_options", f"{len(far)} of {len(pool)} voices are far from this one: {FEWEST} are needed")
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        count = rng.integers(FEWEST, min(MOST, len(far)) + 1)
        mean = far[rng.choice(len(far), count, replace=False)].mean(0)
        mean = (mean / np.linalg.norm(mean)).astype(np.float32)
        if mean @ source < FAR:
            return mean
    raise VsrError("bad_options", f"no mean of the {len(far)} far voices is far from this one: give a larger pool")
