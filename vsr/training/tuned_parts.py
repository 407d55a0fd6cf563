"""Weights that adaptation to a person trains: normalisation, low-rank adapters, or all.

Low-rank adapters are those of Hu et al. 2022 (LoRA): W + B A, where B starts as zero. They are merged into the weights
after each step, so that they need no module, also work for recurrent weights, and leave an ordinary model behind.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from vsr.core.errors import VsrError

KINDS = ("norms", "adapters", "all")
RANK = 8
NORMS = (nn.LayerNorm, nn.GroupNorm, _NormBase)


class TunedParts:
    """Parameters of a model that are trained directly.

    ``gather`` is called after the backward pass of a step, ``update_model`` after the optimiser's step.
    """

    def __init__(self, parameters: list[nn.Parameter]):
        self.parameters = parameters

    def gather(self) -> None:
        """Compute the gradients of the trained parameters from those of the model."""

    def update_model(self) -> None:
        """Update the weights of the model from the trained parameters."""


class LowRank(TunedParts):
    """A product B A for each large matrix of a model; A is drawn with torch's random generator."""

    def __init__(self, model: nn.Module, rank: int = RANK):
        self.weights = [
            parameter for parameter in model.parameters() if parameter.dim() == 2 and min(parameter.shape) > 2 * rank
        ]
        self.first = [weight.detach().clone() for weight in self.weights]
        self.down = [
            nn.Parameter(torch.randn(rank, weight.shape[1]).to(weight) / weight.shape[1] ** 0.5)
            for weight in self.first
        ]
        self.up = [nn.Parameter(weight.new_zeros(weight.shape[0], rank)) for weight in self.first]
        super().__init__(self.down + self.up)

    @torch.no_grad()
    def gather(self) -> None:
        for weight, down, up in zip(self.weights, self.down, self.up, strict=True):
            if weight.grad is not None:
                up.grad, down.grad = weight.grad @ down.T, up.T @ weight.grad

    @torch.no_grad()
    def update_model(self) -> None:
        for weight, first, down, up in zip(self.weights, self.first, self.down, self.up, strict=True):
            weight.copy_(first + up @ down)


def tuned_parts(model: nn.Module, kind: str) -> TunedParts:
    """The parts of a model that ``kind`` (of `KINDS`) trains; nothing else of it has a gradient afterwards.

    Raises VsrError bad_config for an unknown kind, or where the model has no such parts.
    """
    if kind not in KINDS:
        raise VsrError("bad_config", f"unknown kind of adaptation '{kind}'; known: {', '.join(KINDS)}")
    model.requires_grad_(False)
    parts = LowRank(model) if kind == "adapters" else TunedParts(_plain(model, kind))
    if not parts.parameters:
        raise VsrError("bad_config", f"the model has no {kind} that could be adapted: choose another --what")
    for parameter in parts.weights if isinstance(parts, LowRank) else parts.parameters:
        parameter.requires_grad_(True)
    return parts


def _plain(model: nn.Module, kind: str) -> list[nn.Parameter]:
    modules = [module for module in model.modules() if isinstance(module, NORMS)] if kind == "norms" else [model]
    return [parameter for module in modules for parameter in module.parameters()]


def keep_statistics(model: nn.Module) -> None:
    """Set training mode, except batch normalisation, which keeps its statistics: a few clips give no reliable ones."""
    model.train()
    for module in model.modules():
        if isinstance(module, _NormBase):
            module.eval()
