"""How the output of a vocoder's head becomes a spectrum: as magnitudes and phases (Vocos), or as a filter of harmonics
and noise (the source of NaturalL2S and LightL2S, 2025), which gives the voice an explicit pitch.

Shapes: B batch, N mel frames, F = 321 bins, W width of the backbone. The frames of a spectrum are centred on samples
160 n + 80, those of a mel and of a pitch on 160 n.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.conditions.layers import zeroed
from lip2speech.vocoders.bands import area_of_bands, band_to_bin, between_frames
from lip2speech.vocoders.excitation import harmonics, white_noise
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.registry import Registry
from vsr.media.mel import FLOOR, N_FFT, mel_filters

BINS = N_FFT // 2 + 1
LOUDEST = 100.0  # upper limit of a bin's magnitude
PITCHES = 96  # pitch classes, evenly spaced on a logarithmic scale
LOWEST, HIGHEST = 50.0, 500.0  # Hz, of the first and last class
REACH = 2  # classes on either side of the most probable that are averaged
CROSSOVER, SLOPE = 4000.0, 500.0  # Hz: initially harmonics below and noise above

Level = Callable[[Tensor], Tensor]
SOURCES: Registry[type[nn.Module]] = Registry("source", "lip2speech.sources")


@SOURCES.register("none")
class Plain(nn.Module):
    """Log-magnitudes and phases, as published (Siuzdak 2024)."""

    outputs = 2 * BINS
    pitched = False

    def __init__(self, dim: int):
        super().__init__()

    def begin(self, head: nn.Linear) -> None:
        """Keep the default initial weights of the head."""

    def forward(self, head: Tensor, x: Tensor, level: Level, mask: Tensor, f0: Tensor | None, first: int) -> Tensor:
        """Complex spectrum (B, N, F) of the head's output (B, N, 2F); ``level`` adds the mel's log-magnitudes."""
        log_magnitude, phase = head.chunk(2, dim=-1)
        return torch.polar(level(log_magnitude).exp().clamp(max=LOUDEST), phase)

    def chosen(self, x: Tensor, f0: Tensor, is_natural: Tensor) -> Tensor | None:
        """None: this source has no pitch."""
        return None

    def losses(self, x: Tensor, f0: Tensor) -> dict[str, Tensor]:
        """Empty: this source has no losses."""
        return {}


@SOURCES.register("harmonic")
class Harmonic(nn.Module):
    """Harmonics and noise, both whitened band by band, so that only the mel determines their levels; the head predicts
    offsets to both log-magnitudes, and the phase of the harmonics' filter. Untrained, it gives harmonics below 4 kHz
    and noise above where voiced, and noise elsewhere."""

    outputs = 3 * BINS
    pitched = True

    def __init__(self, dim: int):
        super().__init__()
        self.pitch = nn.Linear(dim, PITCHES + 1)  # classes, and the logit of being voiced
        hertz = torch.linspace(0, SAMPLE_RATE / 2, BINS)
        self.register_buffer("below", F.logsigmoid((CROSSOVER - hertz) / SLOPE) / 2, persistent=False)
        self.register_buffer("above", F.logsigmoid((hertz - CROSSOVER) / SLOPE) / 2, persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("band_to_bin", band_to_bin(), persistent=False)
        self.register_buffer("area", area_of_bands(), persistent=False)
        classes = LOWEST * (HIGHEST / LOWEST) ** (torch.arange(PITCHES) / (PITCHES - 1))
        self.register_buffer("hertz", classes, persistent=False)

    def begin(self, head: nn.Linear) -> None:
        """Set the head to zero, so that the source is not changed at first."""
        zeroed(head)

    def forward(self, head: Tensor, x: Tensor, level: Level, mask: Tensor, f0: Tensor | None, first: int) -> Tensor:
        """Spectrum (B, N, F) of a clip from its mel frame ``first`` on.

        Args:
            head: (B, N, 3F) output of the head; x: (B, N, W) output of the backbone.
            level: adds the mel's log-magnitudes to (B, N, F).
            f0: (B, N) Hz, 0 where unvoiced; None: as predicted from x.
        """
        f0 = (self.f0(x) if f0 is None else f0) * mask
        comb = harmonics(f0, mask)
        noise = torch.randn_like(comb) if self.training else white_noise(comb, mask, first)
        voiced = between_frames((f0 > 0).float()[..., None], mask)
        harmonic_level, phase, noise_level = head.chunk(3, dim=-1)
        noise_level = noise_level + voiced * self.above
        loudness = [
            level(log_magnitude).exp().clamp(max=LOUDEST)
            for log_magnitude in (harmonic_level + self.below, noise_level)
        ]
        tone = torch.polar(voiced * loudness[0], phase) * self.white(comb)
        return tone + loudness[1] * self.white(noise)

    def white(self, wave: Tensor) -> Tensor:
        """Spectrum (B, N, F) of waves (B, S), divided by the magnitudes that their mels give."""
        padded = F.pad(wave, [(N_FFT - HOP) // 2] * 2)
        spectrum = torch.stft(padded, N_FFT, HOP, N_FFT, self.window, center=False, return_complex=True).transpose(1, 2)
        bands = (spectrum.abs() @ self.filters.T).clamp(min=FLOOR).log()
        return spectrum * (-bands @ self.band_to_bin - self.area).exp()

    def f0(self, x: Tensor) -> Tensor:
        """Predicted pitch in Hz (B, N), 0 where unvoiced, from the backbone (B, N, W): the geometric mean of the
        classes around the most probable."""
        logits, voiced = self.pitch(x).float().split([PITCHES, 1], dim=-1)
        distance = (torch.arange(PITCHES, device=x.device) - logits.argmax(-1, keepdim=True)).abs()
        weights = logits.masked_fill(distance > REACH, -torch.inf).softmax(-1)
        return (weights @ self.hertz.log()).exp() * (voiced[..., 0] > 0)

    def chosen(self, x: Tensor, f0: Tensor, is_natural: Tensor) -> Tensor | None:
        """The pitch to train with: the true f0 (B, N) of clips whose mel ``is_natural`` (B,); for mels of an acoustic
        model the predicted pitch, as at inference."""
        return torch.where(is_natural[:, None], f0, self.f0(x.detach()))

    def losses(self, x: Tensor, f0: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the pitch where the true f0 (B, N) is voiced, with the target split between the two nearest
        classes, and of voicing, at half weight."""
        logits, voiced = self.pitch(x).float().split([PITCHES, 1], dim=-1)
        is_voiced = f0 > 0
        position = (
            (f0.clamp(LOWEST, HIGHEST) / LOWEST).log2() / torch.log2(torch.tensor(HIGHEST / LOWEST)) * (PITCHES - 1)
        )
        target = (1 - (position[..., None] - torch.arange(PITCHES, device=x.device)).abs()).clamp(min=0)
        cross_entropy = -(target * logits.log_softmax(-1)).sum(-1)
        voicing_loss = F.binary_cross_entropy_with_logits(voiced[..., 0], is_voiced.float())
        return {"pitch": (cross_entropy * is_voiced).sum() / is_voiced.sum().clamp(min=1), "voiced": voicing_loss / 2}
