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


def spoken_in_windows(voice: Voice, frames: int, speak: Callable[[int, int], Speech]) -> Speech:
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


def join(whole: Tensor, piece: Tensor, start: int, done: int) -> None:
    """Write ``piece`` (1, n, 80) at ``start`` of ``whole``, cross-faded with what is filled there up to ``done``."""
    overlap = max(0, done - start)
    fade = (torch.arange(overlap) + 0.5)[None, :, None] / max(1, overlap)
    whole[:, start:done] = whole[:, start:done] * (1 - fade) + piece[:, :overlap] * fade
    whole[:, start + overlap : start + piece.shape[1]] = piece[:, overlap:]
