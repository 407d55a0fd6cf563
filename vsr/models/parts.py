"""The front ends and encoders of the package, each with its settings; see `vsr.models.registry`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from vsr.core.numbers import COUNT
from vsr.data.batch import TRACKS
from vsr.models import (  # noqa: F401  register themselves
    audio_visual,
    cogenav,
    encoded_streams,
    filterbank,
    fixed_window,
    flamingo_settings,
    foundation,
    memory,
    mixed_streams,
    resnet1d,
    sound,
    tcn,
    td3,
    unit_bridge,
)
from vsr.models.av_hubert import AVHubertEncoder
from vsr.models.conformer import ACTIVATIONS, Conformer
from vsr.models.frontends.torchvision_video import KINDS as VIDEO_KINDS
from vsr.models.frontends.torchvision_video import VideoBackbone
from vsr.models.landmarks import LandmarkFrontend, RecurrentEncoder
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.registry import ENCODERS, FRONTENDS
from vsr.models.relative_transformer import NORMS, RelativeTransformer
from vsr.models.resnet3d import ACTIVATIONS as RESNET_ACTIVATIONS
from vsr.models.resnet3d import ResNet3D
from vsr.models.video_transformer import VideoTransformer

FEATURES = 32  # values per frame of a track, `vsr.face.mouth_features`


def check_choice(name: str, value: str, choices) -> None:
    """Raises ValueError for a value that is not among the known values."""
    if value not in choices:
        raise ValueError(f"{name} is '{value}'; it can be {' or '.join(choices)}")


@FRONTENDS.register("video_transformer")
@dataclass(frozen=True)
class VideoTransformerSettings:
    """Settings of `VideoTransformer`."""

    width: int = 128
    layers: int = 2
    heads: int = 4
    frames: int = 5
    patch: int = 11
    downscale: int = 2

    def __post_init__(self):
        check_sizes(self, **dict.fromkeys(("width", "layers", "frames", "patch", "downscale"), COUNT))
        check_heads("width", self.width, "heads", self.heads)

    def build(self, dim: int) -> nn.Module:
        return VideoTransformer(dim, self.width, self.layers, self.heads, self.frames, self.patch, self.downscale)


@FRONTENDS.register("resnet3d")
@dataclass(frozen=True)
class ResNet3DSettings:
    """Settings of `ResNet3D`."""

    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    activation: str = "silu"

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.blocks or not all(count in COUNT for count in self.blocks):
            raise ValueError(f"resnet_blocks is {list(self.blocks)}: give at least one block for each stage")
        check_choice("resnet_activation", self.activation, tuple(RESNET_ACTIVATIONS))

    def build(self, dim: int) -> nn.Module:
        return ResNet3D(dim, self.width, self.blocks, self.activation)


@FRONTENDS.register("landmarks")
@dataclass(frozen=True)
class LandmarkSettings:
    """Settings of `LandmarkFrontend`."""

    dropout: float = 0.1
    reads = TRACKS

    def __post_init__(self):
        check_sizes(self, dropout=DROPPED)

    def build(self, dim: int) -> nn.Module:
        return LandmarkFrontend(FEATURES, dim, self.dropout)


def _video_backbone(name: str) -> None:
    """Register one of torchvision's networks."""

    @FRONTENDS.register(name)
    @dataclass(frozen=True)
    class VideoBackboneSettings:
        """A network of torchvision, of fixed sizes."""

        def build(self, dim: int) -> nn.Module:
            return VideoBackbone(name, dim)


for _name in VIDEO_KINDS:
    _video_backbone(_name)


@ENCODERS.register("conformer")
@dataclass(frozen=True)
class ConformerSettings:
    """Settings of `Conformer`."""

    layers: int = 4
    heads: int = 4
    hidden: int = 768
    kernel: int = 15
    dropout: float = 0.1
    activation: str = "silu"
    norm_eps: float = 1e-5
    positions: str = "relative"
    attention_dropout: float = 0.0

    def __post_init__(self):
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_sizes(self, attention_dropout=DROPPED)

    def build(self, dim: int) -> nn.Module:
        c = self
        check_heads("dim", dim, "heads", c.heads)
        sizes = dim, c.layers, c.heads, c.hidden, c.kernel, c.dropout
        return Conformer(*sizes, c.activation, c.norm_eps, c.positions, c.attention_dropout)


@ENCODERS.register("relative_transformer")
@dataclass(frozen=True)
class RelativeTransformerSettings:
    """Settings of `RelativeTransformer`."""

    layers: int = 12
    heads: int = 8
    hidden: int = 2048
    dropout: float = 0.1
    norm_eps: float = 1e-5
    norm: str = "batch"
    attention_dropout: float = 0.0

    def __post_init__(self):
        check_choice("norm", self.norm, NORMS)
        check_sizes(self, layers=COUNT, heads=COUNT, hidden=COUNT, dropout=DROPPED, attention_dropout=DROPPED)

    def build(self, dim: int) -> nn.Module:
        c = self
        check_heads("dim", dim, "heads", c.heads)
        sizes = dim, c.layers, c.heads, c.hidden, c.dropout
        return RelativeTransformer(*sizes, c.norm_eps, c.norm, c.attention_dropout)


@ENCODERS.register("av_hubert")
@dataclass(frozen=True)
class AVHubertSettings:
    """Settings of `AVHubertEncoder`."""

    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    dropout: float = 0.1
    fused: bool = False
    attention_dropout: float = 0.0

    def __post_init__(self):
        check_sizes(self, attention_dropout=DROPPED)

    def build(self, dim: int) -> nn.Module:
        c = self
        check_heads("dim", dim, "heads", c.heads)
        return AVHubertEncoder(dim, c.layers, c.heads, c.hidden, c.dropout, c.fused, c.attention_dropout)


@ENCODERS.register("recurrent")
@dataclass(frozen=True)
class RecurrentSettings:
    """Settings of `RecurrentEncoder`; ``hidden`` is the width in each direction."""

    layers: int = 2
    hidden: int = 256
    dropout: float = 0.2

    def build(self, dim: int) -> nn.Module:
        return RecurrentEncoder(dim, self.layers, self.hidden, self.dropout)
