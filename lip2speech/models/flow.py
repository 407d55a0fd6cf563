"""Rectified flow (Liu et al. 2023; Lipman et al. 2023) on the linear path x_t = (1 - t) x_0 + t x_1.

Shapes: B batch, N steps of 50 Hz, P = 160. x_0 is the start, x_1 the mel. `chained` is the only implementation of
guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lip2speech.models.flow_options import FlowOptions

TARGETS = ("velocity", "x1")
TIMES = ("uniform", "logit_normal")
NEAR_END = 1e-3  # lower bound of 1 - t as a divisor


def chained(velocities: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022) along a chain: v_0 + sum_k g_k (v_k - v_(k-1)), one scale fewer
    than velocities. A scale of 0 ignores its condition, 1 is plain, above 1 amplifies."""
    v = velocities[0]
    for previous, current, g in zip(velocities[:-1], velocities[1:], scales, strict=True):
        v = v + g * (current - previous)
    return v


def draw_times(count: int, how: str, device: torch.device) -> Tensor:
    """Training times (count,) in 0 ... 1, uniform or the sigmoid of a normal (Esser et al. 2024)."""
    if how == "logit_normal":
        return torch.randn(count, device=device).sigmoid()
    return torch.rand(count, device=device)


def on_path(start: Tensor, end: Tensor, time: Tensor) -> Tensor:
    """x_t (B, N, P) at ``time`` (B,) between start and end."""
    t = time[:, None, None]
    return (1 - t) * start + t * end


def to_velocity(predicted: Tensor, x: Tensor, time: float | Tensor, target: str) -> Tensor:
    """Velocity at (x, time), from the prediction of a network for ``target``."""
    if target == "velocity":
        return predicted
    return (predicted - x) / max(1 - float(time), NEAR_END)


def grid(steps: int, sway: float) -> list[float]:
    """Times 0 ... 1 of ``steps`` solver steps, shifted by ``sway``."""
    even = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device="cpu")
    return (even + sway * (torch.cos(torch.pi / 2 * even) - 1 + even)).tolist()


def solve(
    velocity: Callable[[Tensor, float], Tensor], x: Tensor, options: FlowOptions,
    push: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """Integrate x (B, N, P) from time 0 to 1 along ``velocity(x, t)``; the first step also adds ``push(x, v)``, where v
    is the velocity at time 0."""
    times = grid(options.steps, options.sway)
    for now, later in zip(times[:-1], times[1:], strict=True):
        step, v = later - now, velocity(x, now)
        pushed = push(x, v) if push and now == times[0] else 0
        if options.solver == "midpoint":
            v = velocity(x + step / 2 * v, now + step / 2)
        x = x + step * v + pushed
    return x


def noise(lengths: Sequence[int], width: int, seeds: Sequence[int]) -> Tensor:
    """Normal noise (B, N, width), zero beyond each length; a row depends only on its own seed and length."""
    rows = []
    for length, seed in zip(lengths, seeds, strict=True):
        generator = torch.Generator("cpu").manual_seed(seed)
        row = torch.randn(length, width, generator=generator, device="cpu")  # the same noise wherever the model runs
        rows.append(torch.nn.functional.pad(row, (0, 0, 0, max(lengths) - length)))
    return torch.stack(rows)
