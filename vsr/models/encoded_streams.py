"""A front end with an encoder of its own: streams that are encoded apart and joined as states, as auto_avsr joins lips
and sound (Ma et al. 2023), and the encoder of a reader whose front end has done all of it.

Shapes: B batch, T video frames, D width.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vsr.core.numbers import COUNT
from vsr.data.modalities import Read
from vsr.models.lengths import gather_frames, scatter_frames, zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import ENCODERS, FRONTENDS, FUSIONS, Part, reads_of, settings_of, sound_form_of, split_kind

NORMS = ("none", "batch", "layer")


class Encoded(nn.Module):
    """What a front end reads, mask (B, T) -> states of its encoder (B, T, D), zero on padding."""

    def __init__(self, frontend: nn.Module, encoder: nn.Module):
        super().__init__()
        self.frontend, self.encoder = frontend, encoder

    def forward(self, given: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(self.frontend(given, mask), mask)


@FRONTENDS.register("encoded")
@dataclass(frozen=True)
class EncodedSettings:
    """``frontend`` and ``encoder``, each {kind: ..., its settings} or a name; both have the width of the model."""

    frontend: Any = "resnet3d"
    encoder: Any = "conformer"

    def __post_init__(self):
        for name, registry in (("frontend", FRONTENDS), ("encoder", ENCODERS)):
            kind, own = split_kind(getattr(self, name), name)
            whole = asdict(settings_of(registry, kind, own))  # a stored model needs no defaults
            object.__setattr__(self, name, {"kind": kind, **whole})

    @property
    def reads(self) -> Read:
        """The modality of its front end."""
        return reads_of(self._part("frontend"))

    @property
    def form(self) -> str:
        """How that takes sound, if it hears."""
        return sound_form_of(self._part("frontend"))

    def _part(self, name: str) -> Part:
        kind, own = split_kind(getattr(self, name), name)
        return settings_of(FRONTENDS if name == "frontend" else ENCODERS, kind, own)

    def build(self, dim: int) -> nn.Module:
        return Encoded(self._part("frontend").build(dim), self._part("encoder").build(dim))


class Identity(nn.Module):
    """Features (B, T, D), mask -> the same."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(x, mask)


@ENCODERS.register("identity")
@dataclass(frozen=True)
class IdentitySettings:
    """`Identity` has no settings: the front end's features are the states."""

    def build(self, dim: int) -> nn.Module:
        return Identity()


class MLPFusion(nn.Module):
    """Lips and sound side by side, a hidden layer, normalised, with ReLU, and a linear one."""

    def __init__(self, dim: int, hidden: int, norm: str):
        super().__init__()
        self.hidden = nn.Linear(2 * dim, hidden)
        self.norm = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm](hidden)
        self.out = nn.Linear(hidden, dim)

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Statistics over real frames only: a batch's padding must not change what the others are divided by.
        real = self.norm(self.hidden(gather_frames(torch.cat([video, sound], -1), mask)))
        return scatter_frames(self.out(real.relu()), mask), {}


@FUSIONS.register("mlp")
@dataclass(frozen=True)
class MLPFusionSettings:
    """As `MLPFusion` takes them."""

    hidden: int = 8192
    norm: str = "batch"

    joins = "features"

    def __post_init__(self):
        check_sizes(self, hidden=COUNT)
        if self.norm not in NORMS:
            raise ValueError(f"norm is '{self.norm}'; it can be {' or '.join(NORMS)}")

    def build(self, dim: int) -> nn.Module:
        return MLPFusion(dim, self.hidden, self.norm)
