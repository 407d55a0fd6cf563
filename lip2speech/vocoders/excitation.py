"""What a voice is made of before the mouth shapes it: harmonics of a pitch, and noise.

The harmonics are a Dirichlet kernel of the phase, as in the differentiable synthesizers after DDSP (Engel et al. 2020)
that NaturalL2S (2025) puts before its vocoder. The phase starts at zero wherever a voice sets in, so that a piece of a
long clip sounds as it does in the whole.

Shapes: B batch, N mel frames, S = 160 N samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.clock import HOP, SAMPLE_RATE

HIGHEST = 7900.0  # Hz, of a harmonic
SEED = 0  # of the noise, outside training


def harmonics(f0: Tensor, mask: Tensor) -> Tensor:
    """All harmonics of a pitch below 7900 Hz, equally loud, of power 1 where voiced and zero elsewhere.

    Args:
        f0: (B, N) Hz on the mel's frames, 0 where nothing is voiced; between two voiced frames it is interpolated.
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
    """f0 (B, N) on samples 160 n -> (B, S) on every sample; a sample is voiced as its nearest frame is."""
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0)
    samples = torch.arange(HOP * f0.shape[1], device=f0.device)
    places = samples // HOP, samples // HOP + 1, (samples + HOP // 2) // HOP
    before, after, nearest = (torch.minimum(place, last) for place in places)
    left, right, voiced = f0.gather(1, before), f0.gather(1, after), f0.gather(1, nearest) > 0
    left, right = torch.where(left > 0, left, right), torch.where(right > 0, right, left)
    share = (samples % HOP) / HOP
    real = samples < HOP * (last + 1)
    return torch.where(voiced & real, left + share * (right - left), 0.0)


def white_noise(like: Tensor, mask: Tensor, first: int) -> Tensor:
    """Normal noise (B, S) beside harmonics ``like``: in each row the noise of a clip from its frame ``first`` on."""
    generator = torch.Generator("cpu").manual_seed(SEED)
    drawn = torch.randn(HOP * first + like.shape[1], generator=generator, device="cpu")[HOP * first :]
    return drawn.to(like) * mask.repeat_interleave(HOP, 1)
