"""What the rigs of this folder share: the training loop on stored states, and the scores that a run leaves behind."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.evaluation.rows import against, keep_scores, rates
from vsr.training.state import Average

__all__ = ["Plan", "Report", "against", "keep_scores", "rates", "steps", "training"]

CLIP = 5.0


@dataclass(frozen=True)
class Plan:
    """Steps, the highest rate (cosine to nothing after ``warmup`` steps), the decay of the averaged weights, and how
    often a run reports."""

    steps: int
    lr: float
    warmup: int = 100
    ema: float = 0.998
    checks: int = 5


@dataclass(frozen=True)
class Report:
    """Where a run stands: its averaged weights, busy minutes of this process, and the losses of the last batch."""

    step: int
    model: nn.Module
    minutes: float
    losses: dict[str, Tensor]

    def __str__(self) -> str:
        each = "  ".join(f"{name} {float(own.detach()):.3f}" for name, own in self.losses.items())
        return f"step {self.step}  {self.minutes:.1f} min  {each}"


def adamw(model: nn.Module, lr: float) -> torch.optim.AdamW:
    """AdamW over what has a gradient."""
    trained = [own for own in model.parameters() if own.requires_grad]
    return torch.optim.AdamW(trained, lr, betas=(0.9, 0.98), weight_decay=0.03)


def steps(
    model: nn.Module, objective: Callable, batches: Iterator, plan: Plan, optimiser: torch.optim.Optimizer | None = None
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Train what has a gradient in place; yields how many steps are done, and their last losses, after each.
    ``optimiser``: another than `adamw`, whose rate is set all the same."""
    optimiser = optimiser or adamw(model, plan.lr)
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            shape = 0.5 * (1 + math.cos(math.pi * step / plan.steps))
            group["lr"] = plan.lr * min(1, (step + 1) / plan.warmup) * shape
        batch = next(batches)
        model.train()
        optimiser.zero_grad()
        losses = objective(model, batch)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        yield step + 1, losses


def training(
    model: nn.Module, objective_for: Callable, batches: Iterator, plan: Plan,
    optimiser: torch.optim.Optimizer | None = None,
) -> Iterator[Report]:  # fmt: skip
    """`steps`, reported ``plan.checks`` times; the last report has the averaged weights. ``objective_for`` takes the
    averaged model, for objectives that are taught by it."""
    average, begun = Average(model, plan.ema), time.process_time()
    for step, losses in steps(model, objective_for(average.model), batches, plan, optimiser):
        average.update(model, step)
        if step * plan.checks // plan.steps > (step - 1) * plan.checks // plan.steps:
            yield Report(step, average.model, (time.process_time() - begun) / 60, losses)
