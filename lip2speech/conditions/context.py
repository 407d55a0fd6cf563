"""The condition `context`: the audio around a gap, so that the synthesised span sounds like the rest of the recording
(infilling: AlignDiT, Choi et al. 2025; Voicebox, Le et al. 2023).

In training a random span of each clip's audio is masked; in synthesis, the span to be filled. Shapes: wave (640 T,)
float32 at 16 kHz, N = 2T steps of 50 Hz, each of two mel frames of 80 bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.numbers import SHARE, check_numbers
from vsr.media.mel import NUM_MELS, log_mel

MELS_PER_STEP = 2
PAIR = MELS_PER_STEP * NUM_MELS
MIDDLE, SPAN = -5.0, 2.0  # nepers: fixed mean and scale that normalise a log-mel


@CONDITIONS.register("context")
@dataclass(frozen=True)
class Context:
    """Log-mel of a clip, set to 0 in a masked span, and whether each step is known.

    Args:
        drop: share of training clips without it.
        span: least and greatest share of a clip that is masked in training (published: .7 to 1).
    """

    drop: float = 0.2
    span: tuple[float, ...] = (0.2, 0.7)
    width = PAIR + 1
    per_frame = True
    places = (CONTENT, FLOW)
    around = True

    def __post_init__(self):
        object.__setattr__(self, "span", tuple(self.span))
        check_numbers(self, "context.", drop=SHARE)
        if len(self.span) != 2 or not 0 < self.span[0] <= self.span[1] <= 1:
            raise ValueError(f"context.span is {self.span}; give the least and the greatest share, above 0 to 1")

    def corrupted(
        self,
        features,
        clip_id: str,
        clips: Sequence[str],
        sound_of: Callable[[str], np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The condition (N, 161) of `lip2speech.features.stored.Features`, with a span masked that ``rng`` draws."""
        pairs = features.mel.numpy().reshape(-1, PAIR)
        length = max(1, round(len(pairs) * rng.uniform(*self.span)))
        start = rng.integers(0, len(pairs) - length + 1)
        is_known = np.ones(len(pairs), bool)
        is_known[start : start + length] = False
        return context_condition(pairs, is_known)

    def of_wave(self, wave: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        """The condition (N, 161) of the audio of T video frames; ``is_known`` (N,) bool: the steps outside the gap."""
        mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave, np.float32))).numpy()
        return context_condition(mel.reshape(-1, PAIR), is_known)


def context_condition(pairs: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """The condition (N, 161) of log-mel pairs (N, 160) and the mask of known steps (N,)."""
    visible = np.where(is_known[:, None], (pairs - MIDDLE) / SPAN, 0)
    return np.concatenate([visible, is_known[:, None]], 1).astype(np.float32)


def pairs_and_mask(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-mel pairs (..., N, 160), `MIDDLE` where unknown, and the mask of known steps (..., N), of the condition
    (..., N, 161)."""
    return value[..., :PAIR] * SPAN + MIDDLE, value[..., PAIR] > 0.5
