"""Conditions of a voice from the noisy sound of the recording itself, for audio-visual speech enhancement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_recorded
from lip2speech.inference.folder import NO_SOUND_CONDITION, LoadedVoice
from vsr.core.errors import VsrError
from vsr.inference.listening import has_sound


def check_takes_sound(loaded: LoadedVoice) -> None:
    """Refuse a voice without a condition for the recording's own sound. Raises VsrError bad_model."""
    if not any(is_recorded(condition) for condition in loaded.voice.condition_settings.values()):
        raise VsrError("bad_model", f"{loaded.parts[0]} {NO_SOUND_CONDITION}")


def check_sound(path: str | Path) -> None:
    """Refuse a recording without sound. Raises VsrError no_sound, unreadable."""
    if not has_sound(path):
        raise VsrError("no_sound", f"{path}: has no sound to clean")


def conditions_of_sound(
    conditions: Mapping[str, Condition], waves: Sequence[np.ndarray], device: torch.device
) -> dict[str, Tensor]:
    """Name -> (B, N, C) of the conditions from recorded sound; ``waves``: (640 T,) of each clip."""
    features = {}
    for name, condition in conditions.items():
        if is_recorded(condition):
            values = [torch.from_numpy(condition.of_wave(wave)) for wave in waves]
            features[name] = pad_sequence(values, batch_first=True).to(device)
    return features
