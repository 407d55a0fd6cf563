"""DistillMOS (Stahl and Gamper 2025): speech quality, 1 to 5, predicted by a network distilled from XLS-R."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import numpy as np

from vsr.core.packages import required_package

FROM_SOURCE = "pip install distillmos, whose weights are in the package"


class DistillMos:
    """The network of the package `distillmos`, whose bundled weights are loaded as tensors only.

    Raises VsrError missing_package.
    """

    def __init__(self):
        package = required_package("distillmos", "DistillMOS", FROM_SOURCE)
        with redirect_stdout(sys.stderr):  # it prints the path of its weights
            self._network = package.ConvTransformerSQAModel().eval()

    def __call__(self, voice: np.ndarray) -> float:
        """Score 1 ... 5 of a voice (S,) float32 at 16 kHz; the network normalises its peak level."""
        import torch

        with torch.inference_mode():
            return float(self._network(torch.from_numpy(np.ascontiguousarray(voice, np.float32))[None]))
