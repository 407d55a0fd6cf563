"""How far each speaker moves each part of the mouth, and transfer of this style to another track.

Mixing the statistics of features between domains makes networks rely on them less (MixStyle: Zhou et al. 2021). Here
they are statistics of a speaker's tracks, and only differences between mouths are mixed: how far each point moves in
proportion to the mouth's width, how far each measure varies, and its mean.

Shapes: points (T, 9, 2) pixels, measures (T, 8), as in `vsr.face.mouth_features`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vsr.face.mouth_features import CORNERS

LEAST = 1e-3  # movement below this, in mouth widths or in the measures' own unit, counts as this
GREATEST = 2.0  # largest factor by which a movement may grow or shrink


@dataclass(frozen=True)
class Style:
    """Logarithms of the standard deviations of points (9, 2) in mouth widths and of measures (8,); their means (8,)."""

    points: np.ndarray
    measures: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, measures: np.ndarray) -> Style:
        """The style of one track."""
        line = (points[:, CORNERS[1]] - points[:, CORNERS[0]]).mean(0)
        width = max(float(np.linalg.norm(line)), 1e-3)
        return cls(_log(points.std(0) / width), _log(measures.std(0)), measures.mean(0))

    @classmethod
    def mean(cls, styles: Iterable[Style]) -> Style:
        """The style of a speaker, averaged over tracks."""
        per_track = list(styles)
        return cls(
            *(np.mean([getattr(style, name) for style in per_track], 0) for name in ("points", "measures", "rest"))
        )


def styles_of(tracks: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> dict[str, Style]:
    """Speaker -> style, from (speaker, points, measures) of each clip."""
    styles: dict[str, list[Style]] = defaultdict(list)
    for speaker, points, measures in tracks:
        styles[speaker].append(Style.of(points, measures))
    return {speaker: Style.mean(speaker_styles) for speaker, speaker_styles in styles.items()}


def restyled(
    points: np.ndarray, measures: np.ndarray, source: Style, target: Style, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """A track of a speaker of style ``source``, moved by ``share`` (0 to 1) towards the style ``target``."""
    middle, mean = points.mean(0), measures.mean(0)
    points = (points - middle) * _times(source.points, target.points, share) + middle
    offsets = (measures - mean) * _times(source.measures, target.measures, share)
    return points.astype(np.float32), (offsets + mean + share * (target.rest - source.rest)).astype(np.float32)


def _log(deviation: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(deviation, LEAST))


def _times(source: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
    return np.clip(np.exp(share * (target - source)), 1 / GREATEST, GREATEST)
