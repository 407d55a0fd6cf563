"""Front end and encoder that read a window of fixed length: clips are padded with black frames and silence.

CoGenAV (Bai et al. 2025) fills Whisper's 30 s in this way, and its layers were trained so. States are those of the
whole window, beyond the clip's end too: the head `vsr.models.adapted_whisper` attends to all of them.

Shapes: B batch, T video frames, N frames of the window, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT
from vsr.core.registry import Registry
from vsr.data.modalities import VIDEO, Read
from vsr.data.transforms import MEAN, STD
from vsr.models.limits import check_sizes
from vsr.models.registry import ENCODERS, FRONTENDS, Part, reads_of, settings_of, sound_form_of, split_kind
from vsr.models.streams import Inputs, Streams, frames_in, streams_of

BLACK = -MEAN / STD  # a black pixel in the network's input


class WindowFrontend(nn.Module):
    """Streams or video, mask (B, T) -> features (B, N, D) of the clips and their padding.

    Raises VsrError bad_config for a clip that is longer than the window.
    """

    def __init__(self, of: nn.Module, frames: int):
        super().__init__()
        self.of, self.frames = of, frames

    def forward(self, inputs: Inputs, mask: Tensor) -> Tensor:
        if (longest := frames_in(inputs)) > self.frames:
            problem = f"a clip of {longest / FPS:.1f} s, and this model reads {self.frames / FPS:g} s at once"
            raise VsrError("bad_config", f"{problem}: give shorter clips")
        everywhere = mask.new_ones(len(mask), self.frames)
        if isinstance(inputs, Tensor):
            return self.of(self._filled(VIDEO, inputs, mask), everywhere)
        streams = streams_of(inputs)
        filled = {name: self._filled(name, x, mask) for name, x in streams.inputs.items()}
        return self.of(Streams(filled, streams.present), everywhere)

    def _filled(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, ...) -> (B, N, ...), with black frames or silence after each clip."""
        value = BLACK if name == VIDEO else 0.0
        is_padding = ~mask.view(*mask.shape, *[1] * (x.dim() - 2))
        padding = (0, 0) * (x.dim() - 2) + (0, self.frames - x.shape[1])
        return F.pad(x.masked_fill(is_padding, value), padding, value=value)


class WindowEncoder(nn.Module):
    """Features (B, N, D) -> states (B, N, D): every frame of the window is real, whatever the mask of the clips."""

    def __init__(self, of: nn.Module):
        super().__init__()
        self.of = of

    @property
    def layers(self) -> Any:
        """Layers of the inner encoder."""
        return self.of.layers

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return self.of(features, torch.ones(features.shape[:2], dtype=torch.bool, device=features.device))


def _complete(part: Any, registry: Registry, setting: str) -> dict[str, Any]:
    """A part with all its settings, defaults included. Raises ValueError."""
    kind, settings = split_kind(part, setting)
    return {"kind": kind, **asdict(settings_of(registry, kind, settings))}


def _part(part: Mapping[str, Any], registry: Registry, setting: str) -> Part:
    return settings_of(registry, *split_kind(part, setting))


@FRONTENDS.register("window")
@dataclass(frozen=True)
class WindowFrontendSettings:
    """``of``: a front end, {kind: ..., its settings}; ``frames`` of the window. It needs the encoder "window"."""

    of: Any
    frames: int = 750

    def __post_init__(self):
        check_sizes(self, frames=COUNT)
        object.__setattr__(self, "of", _complete(self.of, FRONTENDS, "frontend.of"))

    @property
    def reads(self) -> Read:
        """The modalities that the inner front end reads."""
        return reads_of(_part(self.of, FRONTENDS, "frontend.of"))

    @property
    def form(self) -> str:
        """The form of sound that it reads."""
        return sound_form_of(_part(self.of, FRONTENDS, "frontend.of"))

    def build(self, dim: int) -> nn.Module:
        return WindowFrontend(_part(self.of, FRONTENDS, "frontend.of").build(dim), self.frames)


@ENCODERS.register("window")
@dataclass(frozen=True)
class WindowEncoderSettings:
    """``of``: an encoder, {kind: ..., its settings}."""

    of: Any

    def __post_init__(self):
        object.__setattr__(self, "of", _complete(self.of, ENCODERS, "encoder.of"))

    def build(self, dim: int) -> nn.Module:
        return WindowEncoder(_part(self.of, ENCODERS, "encoder.of").build(dim))
