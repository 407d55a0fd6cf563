"""Mix the voices of all faces of a video into one waveform, each where its face speaks."""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE

FADE = SAMPLE_RATE // 50  # samples of the cross-fade between two voicings of the same face


class Mixer:
    """Takes the waves of each face in the order of their times. A wave that begins before the last one of its face has
    ended voices the same frames with other phases, so the second takes over within 20 ms in the middle of the overlap.
    Waves of different faces are added."""

    def __init__(self) -> None:
        self.waves: list[tuple[int, np.ndarray]] = []
        self.last: dict[int, int] = {}  # face -> index of its latest wave

    def add(self, face: int, at: int, wave: np.ndarray) -> None:
        """Add a wave (S,) that begins at sample ``at``, which may be negative."""
        previous = self.last.get(face)
        if previous is not None:
            start, other = self.waves[previous]
            if at < start + len(other) and start < at + len(wave):
                other, at, wave = _cross_fade(start, other, at, wave)
                self.waves[previous] = start, other
        self.last[face] = len(self.waves)
        self.waves.append((at, wave))

    @property
    def num_voiced(self) -> int:
        """Number of voiced samples, summed over faces."""
        return sum(len(wave) for _, wave in self.waves)

    def mixed(self, length: int) -> np.ndarray:
        """One wave (S,) of at least ``length`` samples, longer if a voice ends later."""
        ends = [at + len(wave) for at, wave in self.waves]
        whole = np.zeros(max([length, *ends]), np.float32)
        for at, wave in self.waves:
            whole[max(0, at) : at + len(wave)] += wave[max(0, -at) :]
        return whole


def _cross_fade(start: int, other: np.ndarray, at: int, wave: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Cross-fade ``other`` (begins at sample ``start``) into ``wave`` (at ``at``): (other, new begin of wave, wave).

    The part of ``wave`` before ``start`` is dropped: the lips rest there.
    """
    at, wave = max(at, start), wave[max(0, start - at) :].copy()
    shared = min(start + len(other) - at, len(wave))
    fade = min(FADE, shared)
    skip = (shared - fade) // 2
    rise = (np.arange(fade, dtype=np.float32) + 0.5) / fade
    wave[skip : skip + fade] *= rise
    other = other[: at + skip + fade - start].copy()
    other[len(other) - fade :] *= 1 - rise
    return other, at + skip, wave[skip:]
