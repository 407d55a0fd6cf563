"""Pitch and loudness of a finished voice, as they are asked for: WORLD's source of harmonics and noise (Morise et al.
2016) is made again at another pitch and shaped by the voice's own envelope.

Waves are (S,) float32 at 16 kHz. Loads no PyTorch.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

import numpy as np

from lip2speech.features.pitch import FROM_SOURCE, pitch
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_number
from vsr.core.packages import needed
from vsr.media.audio import fit_length

FLAT = "flat"
NUMBER = r"[+-]?\d+(?:\.\d+)?"
RATIOS, DECIBELS = Range(0.25, 4), Range(-40, 40)
PERIOD = 1000 * HOP / SAMPLE_RATE  # ms


@dataclass(frozen=True)
class Prosody:
    """What is changed of a voice. ratio: of its pitch; flat: the pitch stands at its geometric mean; decibels: of its
    loudness."""

    ratio: float = 1.0
    flat: bool = False
    decibels: float = 0.0

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """A voice (S,) changed, as long as it was; bit for bit as it was where nothing is asked for.

        Raises VsrError missing_package.
        """
        if self.flat or self.ratio != 1:
            wave = repitched(wave, self.ratio, self.flat)
        return wave if not self.decibels else wave * np.float32(10 ** (self.decibels / 20))

    def check(self) -> None:
        """Refuse before any work what could not be done. Raises VsrError missing_package."""
        if self.flat or self.ratio != 1:
            needed("pyworld", "--pitch", FROM_SOURCE)


def repitched(wave: np.ndarray, ratio: float, flat: bool = False) -> np.ndarray:
    """A voice whose pitch is ``ratio`` times as high, or ``flat`` at as many times its mean; as loud and as long as it
    was, and what is not voiced as it was. Raises VsrError missing_package."""
    world = needed("pyworld", "--pitch", FROM_SOURCE)
    samples = np.pad(wave, (0, -len(wave) % HOP)).astype(np.float64)
    own = pitch(samples).astype(np.float64)
    if not own.any():
        return wave
    times = np.arange(len(own)) * PERIOD / 1000
    envelope = world.cheaptrick(samples, own, times, SAMPLE_RATE)
    noise = world.d4c(samples, own, times, SAMPLE_RATE)
    mean = np.exp(np.log(own[own > 0]).mean())
    wanted = np.where(own > 0, ratio * (mean if flat else own), 0.0)
    made = fit_length(world.synthesize(wanted, envelope, noise, SAMPLE_RATE, PERIOD), len(wave))
    loud, before = (np.sqrt(np.square(x, dtype=np.float64).mean()) for x in (made, wave))
    return (made * (before / max(loud, 1e-9))).astype(np.float32)


def pitch_of(given: str | None) -> tuple[float, bool]:
    """(ratio, flat) of ``+2st`` (semitones), ``x1.2`` or ``flat``. Raises VsrError bad_options."""
    if given in (None, FLAT):
        return 1.0, given == FLAT
    found = re.fullmatch(rf"({NUMBER})st|x({NUMBER})", given, re.ASCII)
    if not found:
        raise VsrError("bad_options", f"--pitch {given}: give semitones as +2st, a ratio as x1.2, or {FLAT}")
    ratio = 2 ** (float(found[1]) / 12) if found[1] else float(found[2])
    check_number("--pitch as a ratio", ratio, RATIOS, "bad_options")
    return ratio, False


def energy_of(given: str | None) -> float:
    """Decibels of ``+3dB``. Raises VsrError bad_options."""
    if given is None:
        return 0.0
    found = re.fullmatch(rf"({NUMBER})dB", given, re.ASCII)
    if not found:
        raise VsrError("bad_options", f"--energy {given}: give decibels, such as +3dB")
    check_number("--energy in dB", float(found[1]), DECIBELS, "bad_options")
    return float(found[1])


def add_prosody_arguments(group) -> None:
    """Declare --pitch and --energy."""
    group.add_argument("--pitch", metavar="+2st|x1.2|flat", help="higher, lower or flat (default: its own)")
    group.add_argument("--energy", metavar="+3dB", help="louder or softer (default: its own)")


def prosody_of(args: argparse.Namespace) -> Prosody:
    """What `add_prosody_arguments` was given, checked. Raises VsrError bad_options, missing_package."""
    prosody = Prosody(*pitch_of(args.pitch), energy_of(args.energy))
    prosody.check()
    return prosody
