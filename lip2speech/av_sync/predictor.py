"""A small network that predicts the loudness of 20 bands, four times per video frame, from eigenlips.

It is trained on the corpus itself in a minute or two; no pretrained model is needed. Shapes: B batch, T video frames,
C components.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import MELS_PER_FRAME, exact
from vsr.media.mel import NUM_MELS

BANDS = 20
FLOOR = -7.0  # lower limit of the log-mel: below it is a codec's silence
WINDOW = 75  # video frames of a training example: 3 s
BATCH, EPOCHS, RATE = 24, 25, 2e-3


class BandPredictor(nn.Module):
    """Residual convolutions over time, with four outputs of 10 ms per frame."""

    def __init__(self, components: int, dim: int = 128, layers: int = 5, dropout: float = 0.15):
        super().__init__()
        self.input = nn.Sequential(nn.Dropout(0.1), nn.Linear(components, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.convolutions = nn.ModuleList(_separable(dim, dropout) for _ in range(layers))
        self.output = nn.Linear(dim, MELS_PER_FRAME * BANDS)

    def forward(self, lips: Tensor) -> Tensor:
        """lips (B, T, C) -> bands (B, 4T, 20)."""
        x = self.input(lips)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + convolution(norm(x).transpose(1, 2)).transpose(1, 2)
        return self.output(x).unflatten(2, (MELS_PER_FRAME, BANDS)).flatten(1, 2)


def _separable(dim: int, dropout: float) -> nn.Sequential:
    """A grouped convolution over time and one over channels: (B, D, T) -> (B, D, T)."""
    over_time, over_channels = nn.Conv1d(dim, dim, 5, padding=2, groups=8), nn.Conv1d(dim, dim, 1)
    return nn.Sequential(over_time, nn.GELU(), over_channels, nn.Dropout(dropout))


def bands_of(mel: Tensor) -> Tensor:
    """Bands (4T, 20) of a log-mel (4T, 80), with zero mean over the clip, so that voice and gain do not matter."""
    bands = mel.clamp(min=FLOOR).unflatten(1, (BANDS, exact(NUM_MELS, BANDS))).mean(2)
    return bands - bands.mean(0)


def fit_predictor(lips: Sequence[Tensor], bands: Sequence[Tensor], seed: int, epochs: int = EPOCHS) -> BandPredictor:
    """Train a predictor on clips with an L1 loss; returned in eval mode.

    Args:
        lips: (T, C) of each clip; bands: (4T, 20) of each.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BandPredictor(lips[0].shape[1])
        windows = [_windows(clip_lips, clip_bands) for clip_lips, clip_bands in zip(lips, bands, strict=True)]
        inputs, targets = (torch.cat(parts) for parts in zip(*windows, strict=True))
        _train(network, inputs, targets, epochs)
    return network.eval()


def _windows(lips: Tensor, bands: Tensor) -> tuple[Tensor, Tensor]:
    """Evenly spaced windows (W, 75, C) and (W, 300, 20) that cover a clip; a short clip is padded with its last
    frame."""
    missing = max(0, WINDOW - len(lips))
    lips = torch.cat([lips, lips[-1:].expand(missing, -1)])
    bands = torch.cat([bands, bands[-1:].expand(MELS_PER_FRAME * missing, -1)])
    starts = torch.linspace(0, len(lips) - WINDOW, -(-len(lips) // WINDOW)).round().int().tolist()
    length = MELS_PER_FRAME * WINDOW
    return (
        torch.stack([lips[start : start + WINDOW] for start in starts]),
        torch.stack([bands[MELS_PER_FRAME * start :][:length] for start in starts]),
    )


def _train(network: BandPredictor, inputs: Tensor, targets: Tensor, epochs: int) -> None:
    batches = -(-len(inputs) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for indices in torch.randperm(len(inputs)).chunk(batches):
            lips = inputs[indices]
            augmented = lips * (1 + 0.1 * torch.randn(len(lips), 1, 1)) + 0.1 * lips.std() * torch.randn_like(lips)
            loss = F.l1_loss(network(augmented), targets[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
