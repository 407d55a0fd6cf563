"""AdamW, and the learning rate schedule: linear warm-up, then half a cosine down to zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from vsr.training.config import OptimConfig


def adamw(model: nn.Module, lr: float, weight_decay: float, scaled: bool = False) -> torch.optim.AdamW:
    """AdamW over the trained parameters, in a fused kernel; biases and other vectors have no weight decay.

    ``scaled``: a scaler of 16-mixed steps it. The fused kernel would unscale the gradients itself, after clipping.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.dim() > 1]
    plain = [parameter for parameter in trained if parameter.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    is_fused = not scaled and trained[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, lr, betas=(0.9, 0.98), fused=is_fused)


def learning_rate(optim: OptimConfig, step: int, share: float) -> float:
    """The learning rate at ``step`` (from 0), when ``share`` (0 ... 1) of the schedule is over."""
    warmup = min(1.0, (step + 1) / max(1, optim.warmup_steps))
    return optim.lr * warmup * 0.5 * (1 + math.cos(math.pi * share))
