"""Which hypotheses are flagged as guesses: those of lips that are likely out of the model's domain."""

from __future__ import annotations

FLAGGED = 0.5  # below this probability a segment counts as outside of the model's domain


def is_guess(probability: float | None) -> bool:
    """Whether a hypothesis with this probability of being in domain (None: unknown) is flagged as a guess."""
    return probability is not None and probability < FLAGGED
