"""Cross-entropy over a large vocabulary without the logits of all tokens at once (Wijmans et al. 2025).

Value and gradients equal those of the plain loss; the logits of a chunk are recomputed for its gradient, so that
memory for only one chunk is needed. Shapes: N tokens, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.tokens import IGNORE

CHUNK = 1024  # tokens


def chunked_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None = None, chunk: int = CHUNK
) -> Tensor:
    """Negative log-probability (N,) of ``targets`` (N,), 0 where they are `IGNORE`; hidden (N, D), weight (V, D)."""
    if len(hidden) <= chunk:
        logits = F.linear(hidden, weight, bias).float()
        return F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="none")
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        hidden, weight = (x.to(torch.get_autocast_dtype(kind)) for x in (hidden, weight))
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    return _Chunked.apply(hidden, weight, bias, targets, chunk)


class _Chunked(torch.autograd.Function):
    """(N, D), (V, D), (V,), (N,) -> losses (N,)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, chunk: int) -> Tensor:
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.chunk = chunk
        losses = hidden.new_zeros(len(hidden), dtype=torch.float32)
        for part in _parts(len(hidden), chunk):
            logits = F.linear(hidden[part], weight, bias.to(weight.dtype)).float()
            losses[part] = F.cross_entropy(logits, targets[part], ignore_index=IGNORE, reduction="none")
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets = ctx.saved_tensors
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        grad_bias = torch.zeros_like(bias)
        for part in _parts(len(hidden), ctx.chunk):
            logits = F.linear(hidden[part], weight, bias.to(weight.dtype)).float()
            error = logits.sub_(logits.logsumexp(1, keepdim=True)).exp_()
            is_token = targets[part] != IGNORE
            error[torch.arange(len(error), device=error.device), targets[part].clamp(min=0)] -= 1
            error.mul_((gradients[0][part] * is_token)[:, None])
            error_low = error.to(weight.dtype)
            grad_hidden[part] = error_low @ weight
            grad_weight.addmm_(error_low.T, hidden[part])
            grad_bias += error.sum(0).to(bias.dtype)
        return grad_hidden, grad_weight, grad_bias, None, None


def _parts(count: int, chunk: int) -> list[slice]:
    return [slice(start, start + chunk) for start in range(0, count, chunk)]
