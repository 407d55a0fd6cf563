"""Vocos as published (Siuzdak 2024, arXiv:2306.00814): a log-mel with any settings -> wave, with published weights.

The arithmetic is that of the package vocos 0.1.0 for its mel models: the same layers in the same order. The filters and
windows are read from the checkpoint, so that results do not depend on another library's rounding.

Shapes: B batch, N mel frames, M bands, W width, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.parts import load_part
from lip2speech.vocoders.generator import ConvNeXtBlock
from lip2speech.vocoders.istft import inverse_stft
from lip2speech.vocoders.source import LOUDEST
from vsr.core.numbers import COUNT
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.limits import check_sizes

FAMILY = "vocos"  # the family in a model folder's config
FLOOR = 1e-7  # lower limit of a band's magnitude, before the logarithm
KERNEL = 7
PADDINGS = ("center", "same")


@dataclass(frozen=True)
class VocosConfig:
    """Hyperparameters of a published Vocos.

    Args:
        sample_rate: Hz, of the wave.
        n_mels, mel_n_fft, mel_hop, mel_padding: of the log-mel; hops in samples; padding "center" or "same".
        n_fft, hop, padding: of the inverse STFT.
        dim, hidden, layers: of the ConvNeXt backbone.
    """

    sample_rate: int = 24000
    n_mels: int = 100
    mel_n_fft: int = 1024
    mel_hop: int = 256
    mel_padding: str = "center"
    n_fft: int = 1024
    hop: int = 256
    padding: str = "center"
    dim: int = 512
    hidden: int = 1536
    layers: int = 8

    def __post_init__(self):
        sizes = ("sample_rate", "n_mels", "mel_n_fft", "mel_hop", "n_fft", "hop", "dim", "hidden", "layers")
        check_sizes(self, **dict.fromkeys(sizes, COUNT))
        for name in ("mel_padding", "padding"):
            if getattr(self, name) not in PADDINGS:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(PADDINGS)}")
        for n_fft, hop in (("n_fft", "hop"), ("mel_n_fft", "mel_hop")):
            if getattr(self, hop) >= getattr(self, n_fft):
                raise ValueError(f"{hop} is {getattr(self, hop)}: it must be less than {n_fft}")


class Vocos(nn.Module):
    """Mel features, ConvNeXt backbone at the mel's rate, inverse STFT head."""

    def __init__(self, config: VocosConfig):
        super().__init__()
        self.config = c = config
        self.register_buffer("mel_window", torch.hann_window(c.mel_n_fft))
        self.register_buffer("filters", torch.zeros(c.mel_n_fft // 2 + 1, c.n_mels))
        self.register_buffer("window", torch.hann_window(c.n_fft))
        self.embed = nn.Conv1d(c.n_mels, c.dim, KERNEL, padding=KERNEL // 2)
        self.norm_in = nn.LayerNorm(c.dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(c.dim, c.hidden, KERNEL, 1 / c.layers) for _ in range(c.layers))
        self.norm_out = nn.LayerNorm(c.dim, eps=1e-6)
        self.head = nn.Linear(c.dim, c.n_fft + 2)

    def forward(self, wave: Tensor) -> Tensor:
        """Copy-synthesis: waves (B, S) of one length at `sample_rate` -> (B, about S)."""
        return self.decode(self.features(wave))

    def features(self, wave: Tensor) -> Tensor:
        """Log-mel (B, N, M) of waves (B, S) of one length. Raises ValueError where they are too short to be padded."""
        c = self.config
        centred = c.mel_padding == "center"
        pad = c.mel_n_fft // 2 if centred else (c.mel_n_fft - c.mel_hop) // 2
        if wave.shape[-1] <= pad or wave.shape[-1] + 2 * pad < c.mel_n_fft:
            raise ValueError(f"{wave.shape[-1]} samples are too few for a frame of {c.mel_n_fft}")
        padded = F.pad(wave, (pad, pad), mode="reflect")
        spectrum = torch.stft(
            padded, c.mel_n_fft, c.mel_hop, c.mel_n_fft, self.mel_window, center=False, return_complex=True
        )
        return (spectrum.abs().transpose(1, 2) @ self.filters).clamp(min=FLOOR).log()

    def decode(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Wave (B, S) of log-mel (B, N, M): S is N hop where the padding is "same", (N - 1) hop where it is "center".

        With ``lengths`` (B,) in mel frames, a clip's wave does not depend on its batch, and is silent after its end.
        """
        c, steps = self.config, mel.shape[1]
        full = torch.full((len(mel),), steps, device=mel.device)
        mask = length_mask(full if lengths is None else lengths, steps)
        log_magnitude, phase = self.head(self.backbone(mel, mask)).float().chunk(2, dim=-1)
        spectrum = torch.polar(log_magnitude.exp().clamp(max=LOUDEST), phase)
        cut = c.n_fft // 2 if c.padding == "center" else (c.n_fft - c.hop) // 2
        return inverse_stft(spectrum, self.window, c.hop, cut, mask)

    def backbone(self, mel: Tensor, mask: Tensor) -> Tensor:
        """Backbone output (B, N, W) of log-mel (B, N, M), with mask (B, N)."""
        x = self.embed(zero_padding(mel, mask).transpose(1, 2)).transpose(1, 2)
        x = zero_padding(self.norm_in(x), mask)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm_out(x)


def load_vocos(folder: str | Path) -> Vocos:
    """The model that `lip2speech import` wrote, in eval mode. Raises VsrError bad_model."""
    return load_part(folder, Vocos, VocosConfig)[0]
