"""Change pitch and loudness of a finished voice. Loads nothing heavy, for --help."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_number
from vsr.core.packages import required_package

if TYPE_CHECKING:
    import numpy as np

FLAT = "flat"
NUMBER = r"[+-]?\d+(?:\.\d+)?"
RATIOS, DECIBELS = Range(0.25, 4), Range(-40, 40)


@dataclass(frozen=True)
class Prosody:
    """Changes to a voice. ratio: factor of the pitch; flat: the pitch stays at its geometric mean; decibels: change of
    the loudness."""

    ratio: float = 1.0
    flat: bool = False
    decibels: float = 0.0

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """Change a voice (S,) float32 at 16 kHz; the length stays. Without changes the result is identical.

        Raises VsrError missing_package.
        """
        import numpy as np

        if self.flat or self.ratio != 1:
            from lip2speech.inference.pitch_shifting import shift_pitch

            wave = shift_pitch(wave, self.ratio, self.flat)
        return wave if not self.decibels else wave * np.float32(10 ** (self.decibels / 20))

    def check(self) -> None:
        """Check for the package that a change of pitch needs, before any work. Raises VsrError missing_package."""
        if self.flat or self.ratio != 1:
            from lip2speech.features.pitch import FROM_SOURCE

            required_package("pyworld", "--pitch", FROM_SOURCE)


def pitch_of(text: str | None) -> tuple[float, bool]:
    """Parse ``+2st`` (semitones), ``x1.2`` or ``flat`` to (ratio, flat). Raises VsrError bad_options."""
    if text in (None, FLAT):
        return 1.0, text == FLAT
    match = re.fullmatch(rf"({NUMBER})st|x({NUMBER})", text, re.ASCII)
    if not match:
        raise VsrError("bad_options", f"--pitch {text}: give semitones as +2st, a ratio as x1.2, or {FLAT}")
    ratio = 2 ** (float(match[1]) / 12) if match[1] else float(match[2])
    check_number("--pitch as a ratio", ratio, RATIOS, "bad_options")
    return ratio, False


def energy_of(text: str | None) -> float:
    """Parse ``+3dB`` to decibels. Raises VsrError bad_options."""
    if text is None:
        return 0.0
    match = re.fullmatch(rf"({NUMBER})dB", text, re.ASCII)
    if not match:
        raise VsrError("bad_options", f"--energy {text}: give decibels, such as +3dB")
    check_number("--energy in dB", float(match[1]), DECIBELS, "bad_options")
    return float(match[1])


def add_prosody_arguments(group) -> None:
    """Declare --pitch and --energy."""
    group.add_argument("--pitch", metavar="+2st|x1.2|flat", help="higher, lower or flat (default: its own)")
    group.add_argument("--energy", metavar="+3dB", help="louder or softer (default: its own)")


def prosody_of(args: argparse.Namespace) -> Prosody:
    """The arguments of `add_prosody_arguments`, checked. Raises VsrError bad_options, missing_package."""
    prosody = Prosody(*pitch_of(args.pitch), energy_of(args.energy))
    prosody.check()
    return prosody
