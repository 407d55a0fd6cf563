"""Log-mel sound -> features, one per video frame.

Shapes: B batch, T video frames, D width. Sound is (B, T, 4, 80): four mel frames per video frame
(`vsr.data.sound_input`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import MELS_PER_FRAME
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.data.modalities import SOUND
from vsr.media.mel import NUM_MELS
from vsr.models.landmarks import TrackConvolution
from vsr.models.lengths import zero_padding
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.registry import FRONTENDS


class MelConvolutions(nn.Module):
    """Two convolutions of stride 2, from 100 to 25 Hz, then residual convolutions: sound (B, T, 4, 80), mask (B, T) ->
    (B, T, D), zero on padding."""

    def __init__(self, dim: int, width: int, layers: int, kernel: int, dropout: float):
        super().__init__()
        self.first = nn.Conv1d(NUM_MELS, width, 3, stride=2, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.convolutions = nn.ModuleList(TrackConvolution(width, kernel, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, dim)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        mels = zero_padding(sound, mask).flatten(1, 2)
        halves = F.silu(self.first(mels.transpose(1, 2))).transpose(1, 2)
        halves = zero_padding(halves, mask.repeat_interleave(2, 1))
        x = zero_padding(F.silu(self.second(halves.transpose(1, 2))).transpose(1, 2), mask)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        return zero_padding(self.out(self.norm(x)), mask)


class MelStack(nn.Module):
    """The four mel frames of a video frame concatenated, as in AV-HuBERT (Shi et al. 2022): sound (B, T, 4, 80), mask
    (B, T) -> (B, T, D), zero on padding."""

    def __init__(self, dim: int):
        super().__init__()
        self.out = nn.Linear(MELS_PER_FRAME * NUM_MELS, dim)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.out(sound.flatten(2)), mask)


@FRONTENDS.register("mel")
@dataclass(frozen=True)
class MelSettings:
    """Settings of `MelConvolutions`."""

    width: int = 192
    layers: int = 2
    kernel: int = 5
    dropout: float = 0.1
    reads = SOUND

    def __post_init__(self):
        check_sizes(self, width=COUNT, layers=NOT_NEGATIVE, kernel=COUNT, dropout=DROPPED)

    def build(self, dim: int) -> nn.Module:
        return MelConvolutions(dim, self.width, self.layers, self.kernel, self.dropout)


@FRONTENDS.register("mel_stack")
@dataclass(frozen=True)
class MelStackSettings:
    """Settings of `MelStack`, which has none."""

    reads = SOUND

    def build(self, dim: int) -> nn.Module:
        return MelStack(dim)
