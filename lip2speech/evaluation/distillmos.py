"""DistillMOS (Stahl and Gamper 2025): quality of speech as a network distilled from XLS-R hears it, 1 to 5."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import numpy as np

from vsr.core.packages import needed

FROM_SOURCE = "pip install distillmos, whose weights are in the package"


class DistillMos:
    """The network of the package `distillmos`, whose own weights are read as tensors alone.

    Raises VsrError missing_package.
    """

    def __init__(self):
        package = needed("distillmos", "DistillMOS", FROM_SOURCE)
        with redirect_stdout(sys.stderr):  # it prints where its weights lie
            self._network = package.ConvTransformerSQAModel().eval()

    def __call__(self, voice: np.ndarray) -> float:
        """(S,) float32 at 16 kHz -> 1 ... 5; it makes voices equally loud by their peak."""
        import torch

        with torch.inference_mode():
            return float(self._network(torch.from_numpy(np.ascontiguousarray(voice, np.float32))[None]))
