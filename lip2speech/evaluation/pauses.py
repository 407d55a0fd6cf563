"""What is said in a clip, amid the pauses of another: how much of a figure is a recording's noise.

A voice can be right in every word and cannot know the noise of the room. Where the noise is loud enough for STOI to
count (40 dB below the loudest frame), the natural words amid another clip's noise say what such a voice would score.
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

AROUND = 0.05  # seconds before the first word and after the last that belong to them
FADE = 0.05  # seconds


def said(clip: Clip) -> tuple[float, float] | None:
    """From when to when words are spoken, seconds, with a little around; None where the corpus does not know."""
    if not clip.words:
        return None
    return max(0.0, clip.words[0][1] - AROUND), clip.words[-1][2] + AROUND


def with_pauses_of(wave: np.ndarray, part: tuple[float, float], other: np.ndarray, others: tuple[float, float]):
    """Wave (S,) in the seconds ``part``, before and after it the pauses of ``other``, which speaks in ``others``.

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
    """Write ID.wav of every clip that knows its words and has a wave, with the pauses of the next such clip.

    Raises VsrError bad_manifest where there are not two.
    """
    waves = {}
    for clip in clips:
        with suppress(VsrError):  # the row that is scored says why a clip has no wave
            if span := said(clip):
                waves[clip.id] = (wave_of(clip), span)
    if len(waves) < 2:
        raise VsrError("bad_manifest", "other pauses: the manifest needs two clips with word times and sound")
    names = list(waves)
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        write_wave(Path(folder) / f"{name}.wav", with_pauses_of(*waves[name], *waves[other]))
