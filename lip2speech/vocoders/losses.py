"""Spectral losses of a vocoder, and the mel corruption that makes it robust. Waves are (B, S)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.media.mel import log_mel

SPECTRA = ((256, 64), (512, 128), (1024, 256), (2048, 512))  # window and hop, samples
BLUR = 9  # taps
BLUR_STD = (0.1, 1.0)


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of the log-mels."""
    return F.l1_loss(log_mel(fake), log_mel(real))


def spectral_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Multi-resolution STFT loss (Yamamoto et al. 2020): spectral convergence and log-magnitudes."""
    losses = []
    for size, hop in SPECTRA:
        window = torch.hann_window(size, device=real.device)
        r, f = (torch.stft(w, size, hop, window=window, return_complex=True).abs() for w in (real, fake))
        convergence = (r - f).square().sum().sqrt() / r.square().sum().sqrt().clamp(min=1e-5)
        losses.append(convergence + (r.clamp(min=1e-4).log() - f.clamp(min=1e-4).log()).abs().mean())
    return torch.stack(losses).mean()


def corrupt_mel(mel: Tensor, chance: float, noise: float, generator: torch.Generator) -> Tensor:
    """Blur some clips of a batch (B, N, 80) over time and frequency and add noise, to imitate predicted mels.

    Args:
        chance: share of clips that are changed (Choi et al. 2023 change all).
        noise: greatest standard deviation of the noise, nepers.
    """
    rows = []
    for row in mel:
        if torch.rand((), generator=generator) < chance:
            low, high = BLUR_STD
            std = low + (high - low) * torch.rand((), generator=generator)
            level = noise * torch.rand((), generator=generator)
            row = blur(row, float(std)) + level * torch.randn(row.shape, generator=generator).to(row)
        rows.append(row)
    return torch.stack(rows)


def blur(mel: Tensor, std: float) -> Tensor:
    """Gaussian blur of (N, 80) in both directions; the edges are repeated."""
    taps = torch.arange(BLUR, device=mel.device) - BLUR // 2
    kernel = torch.exp(-0.5 * (taps / std) ** 2)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    padded = F.pad(mel[None, None], [BLUR // 2] * 4, mode="replicate")
    return F.conv2d(padded, kernel[None, None].to(mel.dtype))[0, 0]
