"""Speech of any length, synthesised in overlapping windows (`vsr.core.windows`) that are joined.

Shapes: T video frames; mel (1, 4T, 80); units (1, 2T).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lip2speech.models.voice import Speech, Voice
from vsr.core.clock import MELS_PER_FRAME, UNITS_PER_FRAME
from vsr.core.windows import window_spans


def speak_in_windows(voice: Voice, frames: int, speak: Callable[[int, int], Speech]) -> Speech:
    """The speech of ``frames`` video frames; ``speak(start, stop)`` synthesises that of a window.

    Where two windows overlap, the mels are cross-faded, and the units switch in the middle of the overlap.
    """
    device = voice.mel_mean.device
    mel = torch.zeros(1, MELS_PER_FRAME * frames, voice.mel_mean.shape[0])
    units = torch.zeros(1, UNITS_PER_FRAME * frames, dtype=torch.long)
    done = 0  # video frames that have been written
    for start, stop in window_spans(frames):
        window = speak(start, stop)
        join(mel, window.mel.cpu(), start * MELS_PER_FRAME, done * MELS_PER_FRAME)
        middle = (start + max(start, done)) // 2 * UNITS_PER_FRAME
        units[:, middle : stop * UNITS_PER_FRAME] = window.units.cpu()[:, middle - start * UNITS_PER_FRAME :]
        done = stop
    return Speech(mel.to(device), units.to(device))


def join(output: Tensor, window: Tensor, start: int, filled: int) -> None:
    """Write ``window`` (1, n, 80) at ``start`` of ``output``, cross-faded with what is there up to ``filled``."""
    overlap = max(0, filled - start)
    fade = (torch.arange(overlap) + 0.5)[None, :, None] / max(1, overlap)
    output[:, start:filled] = output[:, start:filled] * (1 - fade) + window[:, :overlap] * fade
    output[:, start + overlap : start + window.shape[1]] = window[:, overlap:]
