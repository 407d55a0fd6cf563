"""The frame rates, defined once; everything else is derived from them by exact division.

1 video frame = 640 samples = 4 mel frames = 2 speech units, for a clip of any length.
"""

from __future__ import annotations

FPS = 25
SAMPLE_RATE = 16_000
HOP = 160
UNIT_RATE = 50


def exact(numerator: int, denominator: int) -> int:
    """Quotient of two whole numbers; ValueError for a remainder, which would let two clocks drift apart."""
    quotient, remainder = divmod(numerator, denominator)
    if remainder:
        raise ValueError(f"{numerator} is not a multiple of {denominator}")
    return quotient


SAMPLES_PER_FRAME = exact(SAMPLE_RATE, FPS)
MELS_PER_FRAME = exact(SAMPLES_PER_FRAME, HOP)
UNITS_PER_FRAME = exact(UNIT_RATE, FPS)
