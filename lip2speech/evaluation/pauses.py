"""A control for evaluation: the natural words of a clip with the pauses of another clip.

A perfect voice still cannot know the noise of the room. Where that noise is loud enough for STOI to count (40 dB below
the loudest frame), the natural words with another clip's noise give the score of such a voice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave

AROUND = 0.05  # seconds kept before the first word and after the last
FADE = 0.05  # seconds


def speech_span(clip: Clip) -> tuple[float, float] | None:
    """Start and end of the words of a clip, seconds, with a margin of `AROUND`; None without word times."""
    if not clip.words:
        return None
    return max(0.0, clip.words[0][1] - AROUND), clip.words[-1][2] + AROUND


def with_pauses_of(wave: np.ndarray, part: tuple[float, float], other: np.ndarray, others: tuple[float, float]):
    """The wave (S,) in the span ``part`` (seconds), with the pauses of ``other`` before and after it; ``others``: the
    span of speech in ``other``.

    Raises VsrError silent where the other clip has no pause.
    """
    begin, end = (round(seconds * SAMPLE_RATE) for seconds in others)
    noise = np.concatenate([other[:begin], other[end:]])
    if not len(noise):
        raise VsrError("silent", "the other clip has no pause")
    seconds = np.arange(len(wave)) / SAMPLE_RATE
    inside = np.minimum(seconds - part[0], part[1] - seconds)
    share = np.clip(0.5 + inside / FADE, 0, 1)
    return (wave * np.sqrt(share) + np.resize(noise, len(wave)) * np.sqrt(1 - share)).astype(np.float32)


def write_with_pauses(clips: Sequence[Clip], wave_of: Callable[[Clip], np.ndarray], folder: str | Path) -> None:
    """Write ID.wav of every clip that has word times and a wave, with the pauses of the next such clip.

    Raises VsrError bad_manifest for fewer than two.
    """
    waves = {}
    for clip in clips:
        with suppress(VsrError):  # the evaluation of the row reports why a clip has no wave
            if span := speech_span(clip):
                waves[clip.id] = (wave_of(clip), span)
    if len(waves) < 2:
        raise VsrError("bad_manifest", "other pauses: the manifest needs two clips with word times and sound")
    names = list(waves)
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        write_wave(Path(folder) / f"{name}.wav", with_pauses_of(*waves[name], *waves[other]))
