"""Correlation of third-octave band envelopes between predicted and real speech, as a differentiable measure.

STOI measures this (Taal et al. 2011: 15 bands from 150 Hz on, segments of 384 ms), and it predicts intelligibility;
the mean error of a log-mel gives most of its weight to inaudible bins and pauses. Here the bands are sums of mel bands,
so that it can be a loss.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from vsr.core.clock import SAMPLE_RATE
from vsr.media.mel import NUM_MELS, mel_filters

LOWEST, BANDS = 150.0, 15  # centre frequency of the first band in Hz; third octaves
STRETCH, STRIDE = 38, 4  # mel frames: segments of 380 ms, every 40 ms
AUDIBLE = 35.0  # dB below the loudest frame; a segment mostly below that is a pause
LOUDEST = 4.0  # nepers: keeps the power of an outlier finite


@cache
def third_octaves() -> Tensor:
    """(15, 80) weights of the mel bands' powers in each third octave."""
    filters = mel_filters()
    frequencies = torch.linspace(0, SAMPLE_RATE / 2, filters.shape[1])
    finer = torch.linspace(0, SAMPLE_RATE / 2, 8 * filters.shape[1])
    index = torch.bucketize(finer, frequencies).clamp(max=len(frequencies) - 1)
    share = filters[:, index] / filters[:, index].sum(1, keepdim=True)
    middle = LOWEST * 2 ** (torch.arange(BANDS) / 3)
    inside = (finer >= middle[:, None] * 2 ** (-1 / 6)) & (finer < middle[:, None] * 2 ** (1 / 6))
    width = 1 / filters.amax(1)  # Slaney's filters have unit area
    return inside.float() @ share.T * width


def band_envelopes(mel: Tensor) -> Tensor:
    """Log-mel (B, N, 80) -> amplitude of each third octave (B, 15, N)."""
    power = torch.exp(2 * mel.float().clamp(max=LOUDEST))
    return (power @ third_octaves().to(mel.device).T + 1e-10).sqrt().transpose(1, 2)


def envelope_correlation(mel: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """Mean correlation, in [-1, 1], of the band envelopes of two log-mels (B, N, 80) where speech is audible.

    Args:
        mask: (B, N) True on real frames.
    """
    assert mel.shape[-1] == NUM_MELS
    if mel.shape[1] < STRETCH:
        return mel.new_ones(())
    predicted, target = (band_envelopes(log_mel).unfold(2, STRETCH, STRIDE) for log_mel in (mel, real))
    level = 10 * band_envelopes(real).square().sum(1).log10()
    loudest = level.masked_fill(~mask, -torch.inf).amax(1, keepdim=True)
    audible = ((level > loudest - AUDIBLE) & mask).float().unfold(1, STRETCH, STRIDE).mean(-1)
    is_scored = (audible > 0.6) & mask.unfold(1, STRETCH, STRIDE).all(-1)
    if not is_scored.any():
        return mel.new_ones(())
    return _correlation(predicted, target).mean(1)[is_scored].mean()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlation along the last dimension."""
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    lengths = [(x.square().sum(-1) + 1e-12).sqrt() for x in (a, b)]
    return (a * b).sum(-1) / (lengths[0] * lengths[1])
