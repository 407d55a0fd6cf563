"""Which readings are flagged as guesses: those whose lips are likely not of the reader's domain."""

from __future__ import annotations

FLAGGED = 0.5  # below this chance a segment is outside of the model's domain


def is_guess(chance: float | None) -> bool:
    """Whether a reading with this chance of being of the domain (None: not known) is flagged as a guess."""
    return chance is not None and chance < FLAGGED
