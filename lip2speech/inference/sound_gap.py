"""A gap in the sound of a video that is to be filled, from the command line. Loads nothing heavy, for --help.

Shapes: T video frames, N = 2T steps of 50 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsr.core.clock import FPS, UNITS_PER_FRAME
from vsr.core.errors import VsrError

if TYPE_CHECKING:
    import numpy as np

BEFORE, AFTER = 0.02, 0.03  # seconds around the begin of a step that the windows of its two mel frames span
LEAST = 1e-6  # tolerance of times, in seconds


@dataclass(frozen=True)
class Gap:
    """A span of a video, in seconds."""

    start: float
    end: float

    def known_steps(self, times: np.ndarray) -> np.ndarray:
        """Frames at ``times`` (T,) seconds after the video's first -> (N,) bool: the steps whose mel does not overlap
        the gap."""
        import numpy as np

        steps = (times[:, None] + np.arange(UNITS_PER_FRAME) / (FPS * UNITS_PER_FRAME)).ravel()
        return (steps + AFTER <= self.start + LEAST) | (steps - BEFORE >= self.end - LEAST)


def parse_gap(text: str) -> Gap:
    """Parse START-END, in seconds. Raises VsrError bad_options."""
    start, dash, end = text.partition("-")
    try:
        gap = Gap(float(start), float(end))
        if not dash or not 0 <= gap.start < gap.end < float("inf"):
            raise ValueError
        return gap
    except ValueError as error:
        raise VsrError("bad_options", f"--fill {text}: give START-END in seconds, such as 1.2-1.8") from error
