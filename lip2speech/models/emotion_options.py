"""Parses `--emotion NAME[:A[,B]]`. Loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_numbers

STRENGTH = Range(0, 100)


@dataclass(frozen=True)
class Emotion:
    """An emotion: name; alpha: strength of the pull towards it; beta: of the push away from all others."""

    name: str
    alpha: float = 1.0
    beta: float = 0.0

    def __post_init__(self):
        if not self.name:
            raise VsrError("bad_options", "--emotion: the name is missing; give NAME[:A[,B]]")
        check_numbers(self, "the strength of --emotion: ", "bad_options", alpha=STRENGTH, beta=STRENGTH)

    @property
    def pulls(self) -> bool:
        """Whether it has any effect."""
        return bool(self.alpha or self.beta)


def parse_emotion(text: str | None) -> Emotion | None:
    """Parse NAME, NAME:A or NAME:A,B. Raises VsrError bad_options."""
    if text is None:
        return None
    name, colon, strengths = text.partition(":")
    try:
        numbers = [float(strength) for strength in strengths.split(",")] if colon else []
    except ValueError:
        numbers = [0.0] * 3
    if len(numbers) > 2:
        raise VsrError("bad_options", f"--emotion {text}: give NAME[:A[,B]], such as sad:2,0.5")
    return Emotion(name, *numbers)
