"""Vocode clips of any length: mel and units -> wave.

Shapes: B batch, T video frames; mel (B, 4T, 80), units (B, 2T), wave (B, 640 T), speaker (B, 256).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lip2speech.models.voice import Speech
from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError

CHUNK = 1500  # video frames that are vocoded at once
CONTEXT = 48  # video frames on each side of a chunk: beyond the receptive field of vocoder and 32 consistency rounds


@torch.inference_mode()
def vocode(vocoder, speech: Speech, speaker: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mel and units -> wave (B, 640 T); a long clip is vocoded in chunks, with the same result as in one piece."""
    frames = speech.mel.shape[1] // MELS_PER_FRAME
    if lengths is not None or frames <= CHUNK:
        return vocoder(speech.mel, speech.units, speaker, lengths)
    pieces = []
    for start in range(0, frames, CHUNK):
        first, last = max(0, start - CONTEXT), min(frames, start + CHUNK + CONTEXT)
        mel = speech.mel[:, first * MELS_PER_FRAME : last * MELS_PER_FRAME]
        units = speech.units[:, first * UNITS_PER_FRAME : last * UNITS_PER_FRAME]
        wave = vocoder(mel, units, speaker, first=first * MELS_PER_FRAME)
        skip = (start - first) * SAMPLES_PER_FRAME
        pieces.append(wave[:, skip : skip + min(CHUNK, frames - start) * SAMPLES_PER_FRAME])
    return torch.cat(pieces, dim=1)


def check_finite(wave: Tensor, name: str) -> None:
    """Refuse a wave that is not finite and would be written as silence or noise. Raises VsrError not_finite."""
    if not wave.isfinite().all():
        why = "the model is damaged, or guidance or temperature is too large for it"
        raise VsrError("not_finite", f"{name}: the voice is not finite: {why}")
