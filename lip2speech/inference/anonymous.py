"""A voice of nobody: the mean of several that are far from the one to hide (after the VoicePrivacy baseline's pool).

A mean of voices differs from each of them; that a recogniser of speakers is misled says little about listeners, who
tell many such pairs apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.numbers import SEED, check_number

ANONYMOUS = "anonymous"
FAR = 0.5  # cosine to the source below which a voice is far
FEWEST, MOST = 3, 5  # voices in the mean
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


def anonymous_vector(pool: Sequence[np.ndarray], source: np.ndarray, seed: int = 0) -> np.ndarray:
    """The mean, of length 1, of 3 to 5 voices of a pool, whose cosine to the source is below .5, as that of each is.

    Args:
        pool: vectors (256,) of length 1, a voice each; source: (256,) of length 1.
        seed: which voices: the same gives the same voice for the same source and pool.

    Raises VsrError bad_options: fewer than three voices are far, or no mean of them is.
    """
    far = np.array([own for own in pool if own @ source < FAR])
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
