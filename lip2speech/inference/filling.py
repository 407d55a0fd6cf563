"""A gap in the sound of a video, filled by what the lips say there, in the voice of the rest.

Shapes: wave (S,) at 16 kHz, T video frames of 640 samples, N = 2T steps of 50 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_around
from lip2speech.inference.folder import FILLS_NONE, LoadedVoice
from lip2speech.inference.gap import Gap
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.media.audio import fit_length

FADE = SAMPLE_RATE // 100  # samples over which the recording goes over into what is made, at either end


def check_fills(loaded: LoadedVoice) -> None:
    """Refuse a voice that does not hear what is around a gap. Raises VsrError bad_model."""
    if not any(is_around(own) for own in loaded.voice.named.values()):
        raise VsrError("bad_model", f"{loaded.parts[0]} {FILLS_NONE}")


def check_inside(gap: Gap, samples: int, path: str | Path) -> None:
    """Refuse a gap that begins after the end of a video. Raises VsrError bad_options."""
    if gap.start * SAMPLE_RATE >= samples:
        why = f"the video ends at {samples / SAMPLE_RATE:.2f} s"
        raise VsrError("bad_options", f"{path}: --fill {gap.start:g}-{gap.end:g}: {why}")


def conditions_around(
    conditions: Mapping[str, Condition], wave: np.ndarray, known: np.ndarray, device: torch.device
) -> dict[str, Tensor]:
    """Name -> (1, N, C) of the conditions that are made of what is around a gap; wave (640 T,), known (N,) bool."""
    return {
        name: torch.from_numpy(own.of_wave(wave, known))[None].to(device)
        for name, own in conditions.items()
        if is_around(own)
    }


def patched(recording: np.ndarray, made: np.ndarray, gap: Gap) -> np.ndarray:
    """The recording (S,) with what was made, (S',), in its gap; as long as what was made. Ends are faded over."""
    whole = fit_length(recording, len(made)).copy()
    time = np.arange(len(made)) - round(gap.start * SAMPLE_RATE)
    length = round(gap.end * SAMPLE_RATE) - round(gap.start * SAMPLE_RATE)
    share = np.clip(np.minimum(time + FADE, length + FADE - time) / FADE, 0, 1).astype(np.float32)
    return whole * (1 - share) + made * share
