"""Vocos (Siuzdak 2024) with the inputs of a multi-input vocoder (Choi et al. 2023): mel, units, speaker -> wave.

Two things are ours. The mel already gives each bin's magnitude at the resolution of its bands; the network predicts
only an offset to it, which saves most of the training. And the wave can be corrected until its mel equals the input
mel (`lip2speech.vocoders.consistency`). The network can also filter a pitched source (`lip2speech.vocoders.source`).

Shapes: B batch, T video frames, N = 4T mel frames, K units, F = 321 bins of the spectrum, W width. Inside a
convolution the order is (B, W, N).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lip2speech.features.speaker import DIM as SPEAKER
from lip2speech.models.content import MELS_PER_UNIT
from lip2speech.vocoders.bands import area_of_bands, band_to_bin, between_frames
from lip2speech.vocoders.consistency import mel_consistent
from lip2speech.vocoders.istft import inverse_stft
from lip2speech.vocoders.source import SOURCES
from vsr.core.clock import HOP, MELS_PER_FRAME
from vsr.core.numbers import COUNT, NOT_NEGATIVE, Range
from vsr.media.mel import N_FFT, NUM_MELS
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.limits import check_sizes


@dataclass(frozen=True)
class GeneratorConfig:
    """Hyperparameters of a vocoder; stored with its weights.

    Args:
        units: K; 0 for a vocoder without units.
        unit_dim, speaker_dim: widths of the unit embedding and of the projected speaker vector.
        dim, hidden, layers, kernel: of the ConvNeXt backbone.
        mel_skip: the network's log-magnitudes are added to those of the mel.
        rounds: of mel consistency, outside training.
        source: none, or harmonic: the network filters a pitched source (`lip2speech.vocoders.source`).
    """

    units: int = 200
    unit_dim: int = 128
    speaker_dim: int = 128
    dim: int = 256
    hidden: int = 768
    layers: int = 8
    kernel: int = 7
    mel_skip: bool = True
    rounds: int = 0
    source: str = "none"

    def __post_init__(self):
        sizes = dict.fromkeys(("unit_dim", "speaker_dim", "dim", "hidden", "layers", "kernel"), COUNT)
        check_sizes(self, units=NOT_NEGATIVE, rounds=Range(least=0, most=1000), **sizes)
        if SOURCES[self.source].pitched and not self.mel_skip:
            raise ValueError(f"source is {self.source}, whose loudness the mel says: mel_skip must be true")


class ConvNeXtBlock(nn.Module):
    """Residual block: depthwise convolution over time, then feed-forward (Liu et al. 2022)."""

    def __init__(self, dim: int, hidden: int, kernel: int, scale: float):
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.scale = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, N, W), zero on padding -> (B, N, W), zero on padding."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + zero_padding(self.scale * self.feed_forward(self.norm(y)), mask)


class Generator(nn.Module):
    """The vocoder: a backbone at the mel's rate and an inverse STFT, without upsampling layers, so cheap on a CPU."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = c = config
        self.rounds = c.rounds  # may be changed at any time
        self.unit = nn.Embedding(c.units, c.unit_dim) if c.units else None
        self.speaker = nn.Linear(SPEAKER, c.speaker_dim)
        inputs = NUM_MELS + (c.unit_dim if c.units else 0) + c.speaker_dim
        self.embed = nn.Conv1d(inputs, c.dim, 7, padding=3)
        self.norm_in = nn.LayerNorm(c.dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(c.dim, c.hidden, c.kernel, 1 / c.layers) for _ in range(c.layers))
        self.norm_out = nn.LayerNorm(c.dim, eps=1e-6)
        self.source = SOURCES[c.source](c.dim)
        self.head = nn.Linear(c.dim, self.source.outputs)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("band_to_bin", band_to_bin(), persistent=False)
        # A band's value is a sum over its bins: divide by its area.
        self.register_buffer("band_to_bin_bias", area_of_bands(), persistent=False)
        self.apply(_first_weights)
        self.source.begin(self.head)

    def forward(
        self, mel: Tensor, units: Tensor, speaker: Tensor, lengths: Tensor | None = None, f0: Tensor | None = None,
        first: int = 0,
    ) -> Tensor:  # fmt: skip
        """Wave (B, 640 T) in about [-1, 1] of log-mel (B, 4T, 80), units (B, 2T), speaker (B, 256).

        With ``lengths`` (B,) in video frames, a clip's wave does not depend on its batch, and is silent after its end.

        Args:
            f0: (B, 4T) Hz, 0 where unvoiced, for a pitched source; None: as the source estimates it.
            first: mel frame of a longer clip at which this segment begins.
        """
        steps = mel.shape[1]
        full = torch.full((len(mel),), steps, device=mel.device)
        mask = length_mask(full if lengths is None else MELS_PER_FRAME * lengths, steps)
        wave = self.wave(self.backbone(mel, units, speaker, mask), mel, mask, f0, first)
        return wave if self.training or not self.rounds else self.corrected(wave, mel, mask)

    def learn(self, batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Wave (B, 640 T) of a `lip2speech.training.vocoder_segments.VocoderBatch`, and the source's own losses."""
        mask = torch.ones(batch.mel.shape[:2], dtype=torch.bool, device=batch.mel.device)
        x = self.backbone(batch.mel, batch.units, batch.speaker, mask)
        f0 = self.source.chosen(x, batch.f0, batch.is_natural)
        return self.wave(x, batch.mel, mask, f0), self.source.losses(x, batch.f0)

    def wave(self, x: Tensor, mel: Tensor, mask: Tensor, f0: Tensor | None, first: int = 0) -> Tensor:
        """Wave (B, 160 N) of backbone output (B, N, W) and its input mel."""
        return overlap_add(self.spectrum(x, mel, mask, f0, first), self.window, mask)

    def corrected(self, wave: Tensor, mel: Tensor, mask: Tensor) -> Tensor:
        """The waves (B, 160 N) after ``rounds`` of mel consistency, clip by clip."""
        corrected = torch.zeros_like(wave)
        for row, length in enumerate(mask.sum(1).tolist()):
            clip = wave[row, : HOP * length]
            corrected[row, : HOP * length] = mel_consistent(clip, mel[row, :length], self.band_to_bin, self.rounds)
        return corrected

    def backbone(self, mel: Tensor, units: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """Backbone output (B, N, W) of the inputs, with mask (B, N)."""
        x = zero_padding(self.inputs(mel, units, speaker), mask)
        x = zero_padding(self.norm_in(self.embed(x.transpose(1, 2)).transpose(1, 2)), mask)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm_out(x)

    def inputs(self, mel: Tensor, units: Tensor, speaker: Tensor) -> Tensor:
        """All inputs concatenated, (B, N, 80 + unit + speaker)."""
        parts = [mel]
        if self.unit is not None:
            parts.append(self.unit(units.clamp(min=0)).repeat_interleave(MELS_PER_UNIT, 1))
        parts.append(self.speaker(speaker)[:, None].expand(-1, mel.shape[1], -1).to(mel.dtype))
        return torch.cat(parts, dim=-1)

    def spectrum(self, x: Tensor, mel: Tensor, mask: Tensor, f0: Tensor | None, first: int) -> Tensor:
        """Complex spectrum (B, N, F) of backbone output (B, N, W) and mel (B, N, 80)."""
        return self.source(self.head(x).float(), x, partial(self._level, mel, mask), mask, f0, first)

    def _level(self, mel: Tensor, mask: Tensor, log_magnitude: Tensor) -> Tensor:
        """Add the mel's log-magnitudes to those of the network (B, N, F)."""
        if not self.config.mel_skip:
            return log_magnitude
        return log_magnitude + between_frames(mel.float(), mask) @ self.band_to_bin + self.band_to_bin_bias


def _first_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv1d)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def overlap_add(spectrum: Tensor, window: Tensor, mask: Tensor) -> Tensor:
    """Inverse STFT with "same" padding: N frames give exactly 160 N samples.

    Args:
        spectrum: (B, N, 321) complex; window: (640,).
        mask: (B, N) True on real frames; padding frames are ignored, so that they do not change the end of a clip.
    """
    return inverse_stft(spectrum, window, HOP, (N_FFT - HOP) // 2, mask)
