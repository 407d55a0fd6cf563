"""Speech inpainting: a gap in the sound of a video is filled from the lips, in the voice of the rest.

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
from lip2speech.inference.folder import NO_GAP_CONDITION, LoadedVoice
from lip2speech.inference.sound_gap import Gap
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.media.audio import fit_length

FADE = SAMPLE_RATE // 100  # samples of the cross-fade between recording and synthesis, at either end


def check_can_inpaint(loaded: LoadedVoice) -> None:
    """Refuse a voice without a condition for the sound around a gap. Raises VsrError bad_model."""
    if not any(is_around(condition) for condition in loaded.voice.condition_settings.values()):
        raise VsrError("bad_model", f"{loaded.parts[0]} {NO_GAP_CONDITION}")


def check_gap_inside(gap: Gap, samples: int, path: str | Path) -> None:
    """Refuse a gap that begins after the end of a video. Raises VsrError bad_options."""
    if gap.start * SAMPLE_RATE >= samples:
        why = f"the video ends at {samples / SAMPLE_RATE:.2f} s"
        raise VsrError("bad_options", f"{path}: --fill {gap.start:g}-{gap.end:g}: {why}")


def conditions_around(
    conditions: Mapping[str, Condition], wave: np.ndarray, is_known: np.ndarray, device: torch.device
) -> dict[str, Tensor]:
    """Name -> (1, N, C) of the conditions from the sound around a gap; wave (640 T,), known (N,) bool."""
    return {
        name: torch.from_numpy(condition.of_wave(wave, is_known))[None].to(device)
        for name, condition in conditions.items()
        if is_around(condition)
    }


def fill_gap(recording: np.ndarray, synthesised: np.ndarray, gap: Gap) -> np.ndarray:
    """The recording (S,) with the ``synthesised`` wave (S',) in its gap, cross-faded at both ends; length S'."""
    fitted = fit_length(recording, len(synthesised)).copy()
    time = np.arange(len(synthesised)) - round(gap.start * SAMPLE_RATE)
    length = round(gap.end * SAMPLE_RATE) - round(gap.start * SAMPLE_RATE)
    share = np.clip(np.minimum(time + FADE, length + FADE - time) / FADE, 0, 1).astype(np.float32)
    return fitted * (1 - share) + synthesised * share
