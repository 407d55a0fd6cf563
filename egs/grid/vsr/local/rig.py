"""Shared by the rigs of this folder: the training loop on stored states, and the scores that a run writes."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.evaluation.comparison_rows import against, rates, write_scores
from vsr.training.state import Average

__all__ = ["Plan", "Report", "against", "write_scores", "rates", "steps", "training"]

CLIP = 5.0


@dataclass(frozen=True)
class Plan:
    """Number of steps, highest learning rate (cosine decay to 0, ``warmup`` steps first), decay of the EMA weights and
    number of reports."""

    steps: int
    lr: float
    warmup: int = 100
    ema: float = 0.998
    checks: int = 5


@dataclass(frozen=True)
class Report:
    """State of a run: EMA weights, CPU minutes of this process, and the losses of the last batch."""

    step: int
    model: nn.Module
    minutes: float
    losses: dict[str, Tensor]

    def __str__(self) -> str:
        figures = "  ".join(f"{name} {float(loss.detach()):.3f}" for name, loss in self.losses.items())
        return f"step {self.step}  {self.minutes:.1f} min  {figures}"


def adamw(model: nn.Module, lr: float) -> torch.optim.AdamW:
    """AdamW over the parameters with a gradient."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr, betas=(0.9, 0.98), weight_decay=0.03)


def steps(
    model: nn.Module, objective: Callable, batches: Iterator, plan: Plan, optimiser: torch.optim.Optimizer | None = None
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Train ``model`` in place; yields the number of finished steps and the last losses after each step. The learning
    rate of ``optimiser`` (default: `adamw`) is set by the plan."""
    optimiser = optimiser or adamw(model, plan.lr)
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            decay = 0.5 * (1 + math.cos(math.pi * step / plan.steps))
            group["lr"] = plan.lr * min(1, (step + 1) / plan.warmup) * decay
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
    """Run `steps` with ``plan.checks`` reports; the last one holds the EMA weights. ``objective_for`` is called with
    the EMA model, for objectives with a self-teacher."""
    average, start_time = Average(model, plan.ema), time.process_time()
    for step, losses in steps(model, objective_for(average.model), batches, plan, optimiser):
        average.update(model, step)
        if step * plan.checks // plan.steps > (step - 1) * plan.checks // plan.steps:
            yield Report(step, average.model, (time.process_time() - start_time) / 60, losses)
