"""Mixes the voices of all faces of a video into one waveform, each where its face speaks."""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE

FADE = SAMPLE_RATE // 50  # samples over which one voicing of the same face goes over into the next


class Mixer:
    """Takes waves face by face in the order of their times; of one face, a wave that begins before the last has ended
    goes on with it: they are two voicings of the same frames, whose phases differ, so the second takes over within
    20 ms in the middle of what both have. Waves of different faces are added."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, np.ndarray]] = []
        self.last: dict[int, int] = {}  # face -> number of its latest wave

    def add(self, face: int, at: int, wave: np.ndarray) -> None:
        """A wave (S,) that begins at sample ``at``, which may lie before 0."""
        before = self.last.get(face)
        if before is not None:
            start, other = self.placed[before]
            if at < start + len(other) and start < at + len(wave):
                other, at, wave = _taken_over(start, other, at, wave)
                self.placed[before] = start, other
        self.last[face] = len(self.placed)
        self.placed.append((at, wave))

    @property
    def added(self) -> int:
        """Samples that are voiced, of several faces added up."""
        return sum(len(wave) for _, wave in self.placed)

    def mixed(self, length: int) -> np.ndarray:
        """One wave (S,) of at least ``length`` samples, longer where a voice is."""
        ends = [at + len(wave) for at, wave in self.placed]
        whole = np.zeros(max([length, *ends]), np.float32)
        for at, wave in self.placed:
            whole[max(0, at) : at + len(wave)] += wave[max(0, -at) :]
        return whole


def _taken_over(start: int, other: np.ndarray, at: int, wave: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """``other``, which begins at ``start``, faded out where ``wave`` takes over; and that, with where it begins then.

    What of ``wave`` lies before ``other`` is left out: the lips were found to rest there.
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
