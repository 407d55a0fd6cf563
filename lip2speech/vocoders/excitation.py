"""Excitation signals of a source-filter vocoder: harmonics of a pitch, and noise.

The harmonics are a Dirichlet kernel of the phase, as in the differentiable synthesizers after DDSP (Engel et al. 2020)
that NaturalL2S (2025) puts before its vocoder. The phase starts at zero at every voice onset, so that a segment of a
long clip sounds as it does in the whole.

Shapes: B batch, N mel frames, S = 160 N samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.clock import HOP, SAMPLE_RATE

HIGHEST = 7900.0  # Hz, highest frequency of a harmonic
SEED = 0  # of the noise, outside training


def harmonics(f0: Tensor, mask: Tensor) -> Tensor:
    """All harmonics of a pitch below 7900 Hz, with equal amplitudes, of power 1 where voiced and zero elsewhere.

    Args:
        f0: (B, N) Hz on the mel's frames, 0 where unvoiced; interpolated between two voiced frames.
        mask: (B, N) True on real frames.

    Returns:
        (B, S) float32; the highest harmonic fades in and out where the pitch moves.
    """
    hertz = sampled(f0.double(), mask)
    voiced = hertz > 0
    turns = (hertz / SAMPLE_RATE).cumsum(1)
    onset = torch.where(voiced, 0.0, turns).cummax(1).values
    phase = torch.pi * (turns - onset)
    count = HIGHEST / hertz.clamp(min=1.0)
    whole = (count - 1).floor().clamp(min=1)
    near = torch.sin(phase).abs() < 1e-9
    kernel = torch.sin((2 * whole + 1) * phase) / torch.where(near, 1.0, torch.sin(phase))
    comb = torch.where(near, 2 * whole + 1, kernel) - 1
    comb = comb + 2 * (count - 1 - whole).clamp(min=0) * torch.cos(2 * (whole + 1) * phase)
    return torch.where(voiced, comb / (2 * count).sqrt(), 0.0).float()


def sampled(f0: Tensor, mask: Tensor) -> Tensor:
    """Upsample f0 (B, N) from samples 160 n to every sample (B, S); a sample is voiced where its nearest frame is."""
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0)
    samples = torch.arange(HOP * f0.shape[1], device=f0.device)
    frames = samples // HOP, samples // HOP + 1, (samples + HOP // 2) // HOP
    before, after, nearest = (torch.minimum(index, last) for index in frames)
    left, right, voiced = f0.gather(1, before), f0.gather(1, after), f0.gather(1, nearest) > 0
    left, right = torch.where(left > 0, left, right), torch.where(right > 0, right, left)
    fraction = (samples % HOP) / HOP
    real = samples < HOP * (last + 1)
    return torch.where(voiced & real, left + fraction * (right - left), 0.0)


def white_noise(like: Tensor, mask: Tensor, first: int) -> Tensor:
    """Normal noise (B, S), of the shape of ``like``; each row is the noise of a clip from its frame ``first`` on."""
    generator = torch.Generator("cpu").manual_seed(SEED)
    noise = torch.randn(HOP * first + like.shape[1], generator=generator, device="cpu")[HOP * first :]
    return noise.to(like) * mask.repeat_interleave(HOP, 1)
