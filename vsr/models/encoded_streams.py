"""A front end that includes an encoder, so that a fusion joins encoder states of lips and sound, as in auto_avsr (Ma
et al. 2023); the identity encoder of such a model; and the MLP fusion.

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
    """Input of a front end, mask (B, T) -> states of the encoder behind it (B, T, D), zero on padding."""

    def __init__(self, frontend: nn.Module, encoder: nn.Module):
        super().__init__()
        self.frontend, self.encoder = frontend, encoder

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(self.frontend(inputs, mask), mask)


@FRONTENDS.register("encoded")
@dataclass(frozen=True)
class EncodedSettings:
    """``frontend`` and ``encoder``, each {kind: ..., its settings} or a name; both have the width of the model."""

    frontend: Any = "resnet3d"
    encoder: Any = "conformer"

    def __post_init__(self):
        for name, registry in (("frontend", FRONTENDS), ("encoder", ENCODERS)):
            kind, settings = split_kind(getattr(self, name), name)
            all_settings = asdict(settings_of(registry, kind, settings))  # a stored model needs no defaults
            object.__setattr__(self, name, {"kind": kind, **all_settings})

    @property
    def reads(self) -> Read:
        """The modality of its front end."""
        return reads_of(self._part("frontend"))

    @property
    def form(self) -> str:
        """The form of sound that its front end reads, if it reads sound."""
        return sound_form_of(self._part("frontend"))

    def _part(self, name: str) -> Part:
        kind, settings = split_kind(getattr(self, name), name)
        return settings_of(FRONTENDS if name == "frontend" else ENCODERS, kind, settings)

    def build(self, dim: int) -> nn.Module:
        return Encoded(self._part("frontend").build(dim), self._part("encoder").build(dim))


class Identity(nn.Module):
    """Features (B, T, D), mask -> the same features, zero on padding."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(x, mask)


@ENCODERS.register("none")
@ENCODERS.register("identity")
@dataclass(frozen=True)
class IdentitySettings:
    """Settings of `Identity`, which has none: the features of the front end are the states. It has two names."""

    def build(self, dim: int) -> nn.Module:
        return Identity()


class MLPFusion(nn.Module):
    """Concatenation of lips and sound, a normalised hidden layer with ReLU, and a linear layer."""

    def __init__(self, dim: int, hidden: int, norm: str):
        super().__init__()
        self.hidden = nn.Linear(2 * dim, hidden)
        self.norm = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm](hidden)
        self.out = nn.Linear(hidden, dim)

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Statistics over real frames only, so that padding does not change the normalisation of other clips.
        real = self.norm(self.hidden(gather_frames(torch.cat([video, sound], -1), mask)))
        return scatter_frames(self.out(real.relu()), mask), {}


@FUSIONS.register("mlp")
@dataclass(frozen=True)
class MLPFusionSettings:
    """Settings of `MLPFusion`."""

    hidden: int = 8192
    norm: str = "batch"

    joins = "features"

    def __post_init__(self):
        check_sizes(self, hidden=COUNT)
        if self.norm not in NORMS:
            raise ValueError(f"norm is '{self.norm}'; it can be {' or '.join(NORMS)}")

    def build(self, dim: int) -> nn.Module:
        return MLPFusion(dim, self.hidden, self.norm)
