"""An inaudible watermark in synthetic speech: spread spectrum in the magnitudes of the STFT.

The time-frequency plane is divided into cells of 32 ms and 187.5 Hz. A fixed pattern of +1 and -1, repeated every 2 s,
raises or lowers the magnitudes of each cell by 1.3 dB (spread spectrum, after Cox et al. 1997). Detection compares each
cell with its neighbours and sums the differences with the signs of the pattern.

The certainty of a detection needs no model of speech: for any sound that was made without knowing the pattern, the sum
over its norm exceeds t with a probability of at most exp(-t^2 / 2) (Hoeffding 1963, over the random draw of the
pattern), times the number of alignments tried. The pattern is not secret: readers of this file can remove or forge it.

Shapes: wave (S,) at 16 kHz; F frames of the STFT; C cells in time, 32 bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError

WINDOW, HOP = 512, 128  # samples; square roots of Hann windows at a quarter of their length sum to 2
FRAMES, BINS, BANDS, LOWEST = 4, 6, 32, 8  # frames and bins of a cell; bands from 250 Hz to 6.25 kHz
PERIOD = 64  # cells after which the pattern repeats
STRENGTH = 0.15  # nepers
DRAW = 7  # seed of the pattern
ALIGNMENTS = 2 * FRAMES * PERIOD  # alignments tried: two half hops, every frame of a cell, every cell of the pattern
FLOOR, SOFT = 0.01, 3.0  # of magnitudes, in the sound's RMS; differences beyond SOFT times their mean saturate
THRESHOLD = 1e-6  # probability of a false alarm below which a mark counts as found
PART, FEWEST = 30 * SAMPLE_RATE, SAMPLE_RATE // 2  # samples searched at a time; fewest samples for a search
BLOCK = 4096  # frames processed at a time


@dataclass(frozen=True)
class Detection:
    """The part of a sound that fits the pattern best.

    Args:
        probability: upper bound of the probability that any part of an unmarked sound fits as well; at most 1.
        start, end: of that part, in seconds.
        seconds: length of the sound.
    """

    probability: float
    start: float
    end: float
    seconds: float

    @property
    def is_marked(self) -> bool:
        """Whether the mark counts as found."""
        return self.probability < THRESHOLD


def pattern(draw: int = DRAW) -> np.ndarray:
    """The pattern (PERIOD, BANDS) of -1 and +1, equally likely; the same for the same ``draw`` on every machine."""
    bits = np.random.Generator(np.random.PCG64(draw)).integers(0, 2, (PERIOD, BANDS))
    return 2.0 * bits - 1


def mark(wave: np.ndarray, draw: int = DRAW) -> np.ndarray:
    """Add the mark to a wave (S,); returns float32. Silence stays silent."""
    padded = np.pad(np.asarray(wave, np.float64), (WINDOW, WINDOW + -len(wave) % HOP))
    output, window, signs = np.zeros(len(padded)), _window(), pattern(draw)
    spectra = _frames(padded)
    for start in range(0, len(spectra), BLOCK):
        block = np.fft.rfft(spectra[start : start + BLOCK] * window)
        cells = signs[np.arange(start, start + len(block)) // FRAMES % PERIOD]
        block[:, LOWEST : LOWEST + BANDS * BINS] *= np.exp(STRENGTH * np.repeat(cells, BINS, axis=1))
        _overlap_add(output, np.fft.irfft(block) * window / 2, start)
    return output[WINDOW : WINDOW + len(wave)].astype(np.float32)


def detect(wave: np.ndarray, draw: int = DRAW) -> Detection:
    """Look for the mark in a wave (S,), in overlapping parts of 30 s.

    Raises VsrError too_short: under half a second.
    """
    if len(wave) < FEWEST:
        raise VsrError(
            "too_short", f"{len(wave) / SAMPLE_RATE:.2f} s of sound: a watermark can be found in 0.5 s or more"
        )
    starts = range(0, max(1, len(wave) - PART // 2), PART // 2)
    fits = [pattern_fit(wave[start : start + PART], draw) for start in starts]
    best = int(np.argmax(fits))
    chance = min(1.0, len(fits) * ALIGNMENTS * float(np.exp(-(fits[best] ** 2) / 2)))
    end = min(len(wave), starts[best] + PART)
    return Detection(chance, *(samples / SAMPLE_RATE for samples in (starts[best], end, len(wave))))


def pattern_fit(wave: np.ndarray, draw: int = DRAW) -> float:
    """How well the best alignment of the pattern fits a wave (S,): sum of signed differences over their norm."""
    shifts, best = np.conj(np.fft.fft(pattern(draw), axis=0)), 0.0
    for late in (0, HOP // 2):
        for cells in _differences(wave[late:]):
            folded = _folded(cells)
            sums = np.fft.ifft(np.fft.fft(folded, axis=0) * shifts, axis=0).real.sum(1)
            best = max(best, float(sums.max() / (np.linalg.norm(folded) + 1e-9)))
    return best


def _differences(wave: np.ndarray):
    """Differences (C, BANDS) between cells and their neighbours in time and band, for each possible first frame."""
    padded = np.pad(np.asarray(wave, np.float64), (WINDOW, WINDOW + -len(wave) % HOP))
    magnitudes = np.abs(np.fft.rfft(_frames(padded) * _window()))[:, LOWEST : LOWEST + BANDS * BINS]
    levels = np.log(magnitudes + FLOOR * np.sqrt((magnitudes**2).mean()) + 1e-9)
    levels = levels.reshape(len(levels), BANDS, BINS).mean(2)
    for first in range(FRAMES):
        count = (len(levels) - first) // FRAMES
        cells = levels[first : first + count * FRAMES].reshape(count, FRAMES, BANDS).mean(1)
        above = _against_neighbours(_against_neighbours(cells).T).T
        yield above / (np.abs(above) + SOFT * np.abs(above).mean() + 1e-9)


def _against_neighbours(values: np.ndarray) -> np.ndarray:
    """(N, M) minus the mean of the rows before and after; 0 in the first and the last row."""
    differences = np.zeros_like(values)
    differences[1:-1] = values[1:-1] - (values[:-2] + values[2:]) / 2
    return differences


def _folded(cells: np.ndarray) -> np.ndarray:
    """(C, BANDS) -> (PERIOD, BANDS): sums of the cells at the same position of the pattern."""
    padded = np.pad(cells, ((0, -len(cells) % PERIOD), (0, 0)))
    return padded.reshape(-1, PERIOD, BANDS).sum(0)


def _window() -> np.ndarray:
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW))


def _frames(padded: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]


def _overlap_add(wave: np.ndarray, frames: np.ndarray, first: int) -> None:
    """Overlap-add frames (F, WINDOW) to a wave, beginning ``first`` hops after its start."""
    hops = wave.reshape(-1, HOP)
    for offset, piece in enumerate(np.split(frames, WINDOW // HOP, axis=1)):
        hops[first + offset : first + offset + len(frames)] += piece
