"""A small network that hears what it sees: eigenlips -> loudness of 20 bands, four times a video frame.

It is fitted in a minute or two on a corpus itself; nothing trained elsewhere is needed. Shapes: B batch, T video
frames, C components.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import MELS_PER_FRAME, exact
from vsr.media.mel import NUM_MELS

BANDS = 20
FLOOR = -7.0  # of the log-mel: below it a codec's silence begins
WINDOW = 75  # video frames of a training example: 3 s
BATCH, EPOCHS, RATE = 24, 25, 2e-3


class BandPredictor(nn.Module):
    """Residual convolutions over time, then four steps of 10 ms for each frame."""

    def __init__(self, components: int, dim: int = 128, layers: int = 5, dropout: float = 0.15):
        super().__init__()
        self.input = nn.Sequential(nn.Dropout(0.1), nn.Linear(components, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(dim, dim, 5, padding=2, groups=8), nn.GELU(), nn.Conv1d(dim, dim, 1), nn.Dropout(dropout)
            )
            for _ in range(layers)
        )  # fmt: skip
        self.output = nn.Linear(dim, MELS_PER_FRAME * BANDS)

    def forward(self, lips: Tensor) -> Tensor:
        """lips (B, T, C) -> bands (B, 4T, 20)."""
        x = self.input(lips)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + convolution(norm(x).transpose(1, 2)).transpose(1, 2)
        return self.output(x).unflatten(2, (MELS_PER_FRAME, BANDS)).flatten(1, 2)


def bands_of(mel: Tensor) -> Tensor:
    """Log-mel (4T, 80) -> (4T, 20), of zero mean over the clip, so that neither voice nor gain matters."""
    bands = mel.clamp(min=FLOOR).unflatten(1, (BANDS, exact(NUM_MELS, BANDS))).mean(2)
    return bands - bands.mean(0)


def fit_predictor(lips: Sequence[Tensor], bands: Sequence[Tensor], seed: int, epochs: int = EPOCHS) -> BandPredictor:
    """A predictor fitted to clips, by L1, ready to be asked.

    Args:
        lips: (T, C) of each clip; bands: (4T, 20) of each.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BandPredictor(lips[0].shape[1])
        windows = [_windows(own, loud) for own, loud in zip(lips, bands, strict=True)]
        seen, heard = (torch.cat(parts) for parts in zip(*windows, strict=True))
        _descend(network, seen, heard, epochs)
    return network.eval()


def _windows(lips: Tensor, bands: Tensor) -> tuple[Tensor, Tensor]:
    """A clip as windows (W, 75, C) and (W, 300, 20) that cover it evenly; a short one is held at its end."""
    missing = max(0, WINDOW - len(lips))
    lips = torch.cat([lips, lips[-1:].expand(missing, -1)])
    bands = torch.cat([bands, bands[-1:].expand(MELS_PER_FRAME * missing, -1)])
    starts = torch.linspace(0, len(lips) - WINDOW, -(-len(lips) // WINDOW)).round().int().tolist()
    first = MELS_PER_FRAME * WINDOW
    return (
        torch.stack([lips[start : start + WINDOW] for start in starts]),
        torch.stack([bands[MELS_PER_FRAME * start :][:first] for start in starts]),
    )


def _descend(network: BandPredictor, seen: Tensor, heard: Tensor, epochs: int) -> None:
    batches = -(-len(seen) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for indices in torch.randperm(len(seen)).chunk(batches):
            lips = seen[indices]
            varied = lips * (1 + 0.1 * torch.randn(len(lips), 1, 1)) + 0.1 * lips.std() * torch.randn_like(lips)
            loss = F.l1_loss(network(varied), heard[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
