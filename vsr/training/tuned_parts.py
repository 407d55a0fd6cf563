"""The weights that adaptation to a person trains: normalisation, low-rank adapters, or all.

Low-rank additions are those of Hu et al. 2022 (LoRA): W + B A, where B begins as zero. They are added to the weights
themselves after each step, so that they need no module of their own, work for recurrent weights, too, and leave an
ordinary model behind.
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
    """Parameters of a model that are trained as they are.

    ``gather`` is called when the gradients of a step are there, ``spread`` when the optimiser has made it.
    """

    def __init__(self, parameters: list[nn.Parameter]):
        self.parameters = parameters

    def gather(self) -> None:
        """Gradients of the model -> gradients of what is trained."""

    def spread(self) -> None:
        """What is trained -> weights of the model."""


class LowRank(TunedParts):
    """A product B A for each matrix of a model; drawn by torch's own random numbers."""

    def __init__(self, model: nn.Module, rank: int = RANK):
        self.weights = [own for own in model.parameters() if own.dim() == 2 and min(own.shape) > 2 * rank]
        self.first = [own.detach().clone() for own in self.weights]
        self.down = [nn.Parameter(torch.randn(rank, own.shape[1]).to(own) / own.shape[1] ** 0.5) for own in self.first]
        self.up = [nn.Parameter(own.new_zeros(own.shape[0], rank)) for own in self.first]
        super().__init__(self.down + self.up)

    @torch.no_grad()
    def gather(self) -> None:
        for weight, down, up in zip(self.weights, self.down, self.up, strict=True):
            if weight.grad is not None:
                up.grad, down.grad = weight.grad @ down.T, up.T @ weight.grad

    @torch.no_grad()
    def spread(self) -> None:
        for weight, first, down, up in zip(self.weights, self.first, self.down, self.up, strict=True):
            weight.copy_(first + up @ down)


def tuned_parts(model: nn.Module, kind: str) -> TunedParts:
    """What ``kind`` (of `KINDS`) changes of a model; nothing else of it has a gradient afterwards.

    Raises VsrError bad_config for another kind, or where the model has nothing of it.
    """
    if kind not in KINDS:
        raise VsrError("bad_config", f"unknown kind of adaptation '{kind}'; known: {', '.join(KINDS)}")
    model.requires_grad_(False)
    found = LowRank(model) if kind == "adapters" else TunedParts(_plain(model, kind))
    if not found.parameters:
        raise VsrError("bad_config", f"the model has no {kind} that could be adapted: choose another --what")
    for own in found.weights if isinstance(found, LowRank) else found.parameters:
        own.requires_grad_(True)
    return found


def _plain(model: nn.Module, kind: str) -> list[nn.Parameter]:
    modules = [own for own in model.modules() if isinstance(own, NORMS)] if kind == "norms" else [model]
    return [own for module in modules for own in module.parameters()]


def keep_statistics(model: nn.Module) -> None:
    """Train mode, in which batch normalisation goes on with the statistics that it has: a few clips have none."""
    model.train()
    for module in model.modules():
        if isinstance(module, _NormBase):
            module.eval()
