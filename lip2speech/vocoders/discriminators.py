"""Discriminators of the GAN: periods of the wave (Kong et al. 2020), spectra of several resolutions (Jang et al. 2021).

Shapes: wave (B, S). Each discriminator returns its score map and the feature maps of its layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((1024, 256), (512, 128), (256, 64))  # window and hop, samples
SLOPE = 0.1  # of the leaky rectifier

Scored = tuple[Tensor, list[Tensor]]


class Discriminator(nn.Module):
    """A stack of 2-D convolutions; the last gives the score map."""

    def __init__(self, layers: list[nn.Conv2d]):
        super().__init__()
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def discriminate(self, x: Tensor) -> Scored:
        """x (B, C, H, W) -> score map, feature maps."""
        features = []
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.layers[-1](x), features


class PeriodDiscriminator(Discriminator):
    """Discriminates the wave folded into columns of every ``period``-th sample."""

    def __init__(self, period: int, width: int):
        widths = (1, width, 2 * width, 4 * width, 8 * width)
        down = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in zip(widths, widths[1:], strict=False)]
        super().__init__([*down, nn.Conv2d(8 * width, 1, (3, 1), 1, (1, 0))])
        self.period = period

    def forward(self, wave: Tensor) -> Scored:
        wave = F.pad(wave, (0, -wave.shape[1] % self.period))
        return self.discriminate(wave.unflatten(1, (-1, self.period))[:, None])


class SpectrumDiscriminator(Discriminator):
    """Discriminates the magnitudes of a short-time spectrum."""

    def __init__(self, window: int, hop: int, width: int):
        down = [nn.Conv2d(1, width, (3, 9), (1, 2), (1, 4))]
        down += [nn.Conv2d(width, width, (3, 9), (2, 2), (1, 4)) for _ in range(3)]
        super().__init__([*down, nn.Conv2d(width, 1, 3, 1, 1)])
        self.size, self.hop = window, hop

    def forward(self, wave: Tensor) -> Scored:
        window = torch.hann_window(self.size, device=wave.device)
        spectrum = torch.stft(wave, self.size, self.hop, window=window, return_complex=True)
        return self.discriminate(spectrum.abs().transpose(1, 2)[:, None])


class Discriminators(nn.Module):
    """All discriminators of the GAN.

    Args:
        width: channels of the first layers.
    """

    def __init__(self, width: int):
        super().__init__()
        periods = [PeriodDiscriminator(period, width) for period in PERIODS]
        self.discriminators = nn.ModuleList(
            [*periods, *(SpectrumDiscriminator(*sizes, width) for sizes in RESOLUTIONS)]
        )

    def forward(self, wave: Tensor) -> list[Scored]:
        """wave (B, S) -> every discriminator's score and features."""
        return [discriminator(wave) for discriminator in self.discriminators]


def discriminator_loss(real: list[Scored], fake: list[Scored]) -> Tensor:
    """Hinge loss of the discriminators (Lim and Ye 2017)."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for (r, _), (f, _) in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def adversarial_loss(fake: list[Scored]) -> Tensor:
    """Hinge loss of the generator."""
    return torch.stack([F.relu(1 - score).mean() for score, _ in fake]).mean()


def feature_loss(real: list[Scored], fake: list[Scored]) -> Tensor:
    """Mean difference of the discriminators' feature maps (Kumar et al. 2019), relative to their magnitude."""
    pairs = [pair for (_, r), (_, f) in zip(real, fake, strict=True) for pair in zip(r, f, strict=True)]
    sizes = [r.detach().abs().mean().clamp(min=1e-5) for r, _ in pairs]
    losses = [(r.detach() - f).abs().mean() / size for (r, f), size in zip(pairs, sizes, strict=True)]
    return torch.stack(losses).mean()
