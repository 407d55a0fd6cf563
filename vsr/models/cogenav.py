"""Front ends of CoGenAV (Bai et al. 2025) that differ from AV-HuBERT's: sound by Whisper's log-mel and two
convolutions, and, in its base model, a ResNet-3D for pixels from 0 to 1.

Shapes: B batch, T video frames, D width. Sound is the waveform, (B, T, 640).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, exact
from vsr.core.numbers import COUNT
from vsr.data.modalities import SOUND, WAVE
from vsr.data.transforms import MEAN, STD
from vsr.media.mel import NUM_MELS
from vsr.models.foundation import whisper_input
from vsr.models.lengths import zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import FRONTENDS
from vsr.models.resnet3d import ACTIVATIONS, ResNet3D


class WhisperMel(nn.Module):
    """Sound (B, T, 640), mask (B, T) -> (B, T, D), zero on padding; a clip of at most 30 s.

    Two convolutions reduce the rate from 100 to 25 Hz. Whisper normalises the mel by the maximum of the clip.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.conv1 = nn.Conv1d(NUM_MELS, dim // 2, 3, 2, 1)
        self.conv2 = nn.Conv1d(dim // 2, dim, 3, 2, 1)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        mels = torch.stack([_padded(wave[:frames].flatten(), len(wave))
                            for wave, frames in zip(sound, mask.sum(1).tolist(), strict=True)])  # fmt: skip
        halves = F.gelu(self.conv1(mels.to(self.conv1.weight.dtype))).transpose(1, 2)
        halves = zero_padding(halves, mask.repeat_interleave(2, 1)).transpose(1, 2)
        return zero_padding(F.gelu(self.conv2(halves)).transpose(1, 2), mask)


def _padded(wave: Tensor, frames: int) -> Tensor:
    """Log-mel of a wave (640 t,), padded with zeros to T ``frames``: (80, 4 T)."""
    count = MELS_PER_FRAME * exact(len(wave), SAMPLES_PER_FRAME)
    mel = whisper_input(wave.float(), NUM_MELS)[0, :, :count] if count else wave.new_zeros(NUM_MELS, 0)
    return F.pad(mel, (0, MELS_PER_FRAME * frames - count))


@FRONTENDS.register("whisper_mel")
@dataclass(frozen=True)
class WhisperMelSettings:
    """Settings of `WhisperMel`, which has none."""

    reads = SOUND
    form = WAVE

    def build(self, dim: int) -> nn.Module:
        return WhisperMel(dim)


class RawResNet3D(ResNet3D):
    """A `ResNet3D` that was trained on pixels from 0 to 1."""

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        return super().forward(zero_padding(video * STD + MEAN, mask), mask)


@FRONTENDS.register("raw_resnet3d")
@dataclass(frozen=True)
class RawResNet3DSettings:
    """Settings of `ResNet3D`."""

    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    activation: str = "prelu"

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        check_sizes(self, width=COUNT)
        if not self.blocks or not all(count in COUNT for count in self.blocks):
            raise ValueError(f"blocks is {list(self.blocks)}: give at least one block for each stage")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}'; it can be {' or '.join(ACTIVATIONS)}")

    def build(self, dim: int) -> nn.Module:
        return RawResNet3D(dim, self.width, self.blocks, self.activation)
