"""How a vocoder's head becomes a spectrum: by magnitudes and phases of its own (Vocos), or as a filter of harmonics
and noise (the source of NaturalL2S and LightL2S, 2025), which gives it a pitch.

Shapes: B batch, N mel frames, F = 321 bins, W width of the backbone. The frames of a spectrum are centred on samples
160 n + 80, those of a mel and of a pitch on 160 n.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.vocoders.bands import area_of_bands, band_to_bin, between_frames
from lip2speech.vocoders.excitation import harmonics, white_noise
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.registry import Registry
from vsr.media.mel import FLOOR, N_FFT, mel_filters

BINS = N_FFT // 2 + 1
LOUDEST = 100.0  # of a bin's magnitude
PITCHES = 96  # classes of a pitch, evenly on a logarithmic scale
LOWEST, HIGHEST = 50.0, 500.0  # Hz, their ends
REACH = 2  # classes on either side of the likeliest that are averaged
CROSSOVER, SLOPE = 4000.0, 500.0  # Hz: below there are harmonics, above there is noise, as training begins

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
        """Its first weights are those of any layer."""

    def forward(self, head: Tensor, x: Tensor, level: Level, mask: Tensor, f0: Tensor | None, first: int) -> Tensor:
        """The head's output (B, N, 2F) -> complex spectrum (B, N, F); ``level`` adds the mel's log-magnitudes."""
        log_magnitude, phase = head.chunk(2, dim=-1)
        return torch.polar(level(log_magnitude).exp().clamp(max=LOUDEST), phase)

    def chosen(self, x: Tensor, f0: Tensor, own: Tensor) -> Tensor | None:
        """There is no pitch to choose."""
        return None

    def losses(self, x: Tensor, f0: Tensor) -> dict[str, Tensor]:
        """None of its own."""
        return {}


@SOURCES.register("harmonic")
class Harmonic(nn.Module):
    """Harmonics and noise, both made white band by band, so that the mel alone says how loud they are; the head learns
    what is to be added to either's log-magnitude, and the phase of the harmonics' filter. Before any training, it is
    harmonics below 4 kHz and noise above where voiced, and noise elsewhere."""

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
        """The head begins at zero: the source as it is."""
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)

    def forward(self, head: Tensor, x: Tensor, level: Level, mask: Tensor, f0: Tensor | None, first: int) -> Tensor:
        """Spectrum (B, N, F) of a clip from its mel frame ``first`` on.

        Args:
            head: (B, N, 3F), on top of the backbone's x (B, N, W).
            level: adds the mel's log-magnitudes to (B, N, F).
            f0: (B, N) Hz, 0 where nothing is voiced; None: what the backbone makes of its inputs.
        """
        f0 = (self.f0(x) if f0 is None else f0) * mask
        comb = harmonics(f0, mask)
        noise = torch.randn_like(comb) if self.training else white_noise(comb, mask, first)
        voiced = between_frames((f0 > 0).float()[..., None], mask)
        of_comb, phase, of_noise = head.chunk(3, dim=-1)
        of_noise = of_noise + voiced * self.above
        loudness = [level(own).exp().clamp(max=LOUDEST) for own in (of_comb + self.below, of_noise)]
        tone = torch.polar(voiced * loudness[0], phase) * self.white(comb)
        return tone + loudness[1] * self.white(noise)

    def white(self, wave: Tensor) -> Tensor:
        """Spectrum (B, N, F) of waves (B, S), without what their mels say of its magnitudes."""
        padded = F.pad(wave, [(N_FFT - HOP) // 2] * 2)
        spectrum = torch.stft(padded, N_FFT, HOP, N_FFT, self.window, center=False, return_complex=True).transpose(1, 2)
        bands = (spectrum.abs() @ self.filters.T).clamp(min=FLOOR).log()
        return spectrum * (-bands @ self.band_to_bin - self.area).exp()

    def f0(self, x: Tensor) -> Tensor:
        """Backbone (B, N, W) -> Hz (B, N), 0 where it is taken for unvoiced: the geometric mean of the classes near the
        likeliest."""
        logits, voiced = self.pitch(x).float().split([PITCHES, 1], dim=-1)
        away = (torch.arange(PITCHES, device=x.device) - logits.argmax(-1, keepdim=True)).abs()
        weights = logits.masked_fill(away > REACH, -torch.inf).softmax(-1)
        return (weights @ self.hertz.log()).exp() * (voiced[..., 0] > 0)

    def chosen(self, x: Tensor, f0: Tensor, own: Tensor) -> Tensor | None:
        """The pitch to train with: the true f0 (B, N) of clips with their ``own`` (B,) mel; of one that an acoustic
        model made what is read in it, as at inference."""
        return torch.where(own[:, None], f0, self.f0(x.detach()))

    def losses(self, x: Tensor, f0: Tensor) -> dict[str, Tensor]:
        """Cross-entropies of the pitch where the true f0 (B, N) is voiced, shared by the two nearest classes, and of
        being voiced, at half weight."""
        logits, voiced = self.pitch(x).float().split([PITCHES, 1], dim=-1)
        real = f0 > 0
        place = (f0.clamp(LOWEST, HIGHEST) / LOWEST).log2() / torch.log2(torch.tensor(HIGHEST / LOWEST)) * (PITCHES - 1)
        share = (1 - (place[..., None] - torch.arange(PITCHES, device=x.device)).abs()).clamp(min=0)
        each = -(share * logits.log_softmax(-1)).sum(-1)
        missed = F.binary_cross_entropy_with_logits(voiced[..., 0], real.float())
        return {"pitch": (each * real).sum() / real.sum().clamp(min=1), "voiced": missed / 2}
