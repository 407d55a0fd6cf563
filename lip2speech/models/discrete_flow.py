"""Masked discrete flow matching over the codes of all books (Gat et al. 2024; the generator of DiFlowDubber, 2025).

A code at time t is masked with probability 1 - t, and else unchanged. The network predicts p(x_1 | x_t); the
probability velocity of a masked code is (p - delta_mask) / (1 - t), that of others is 0, and it sums to zero.
Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each; MASK is K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.generators import GENERATORS, KnownCodes
from lip2speech.models.masked_tokens import ConformerSettings, Filler, sample_codes
from lip2speech.models.token_options import TokenOptions


@GENERATORS.register("discrete_flow")
@dataclass(frozen=True)
class DiscreteFlowSettings(ConformerSettings):
    """Fills all books at once, each code independently."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Build the module."""
        return DiscreteFlow(self, condition, books, size)


class DiscreteFlow(Filler):
    """Predicts each code from the visual condition and the codes that are not masked at time t."""

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of the masked codes at uniformly drawn times."""
        codes = codes.clamp(min=0)
        noisy = mask_to_time(codes, torch.rand(len(codes), device=codes.device), self.size)
        noisy[:, 0, 0] = self.size  # at least one
        is_target = (noisy == self.size) & mask[..., None]
        return F.cross_entropy(self(condition, noisy, mask)[is_target], codes[is_target])

    @torch.no_grad()
    def sample(
        self, condition: Tensor, options: TokenOptions, seed: int, known_codes: KnownCodes | None = None
    ) -> Tensor:
        """Codes (N, Q) of one clip in ``options.steps`` Euler steps."""
        codes, real = self.initial_codes(condition, known_codes)

        def posterior(x: Tensor, time: float) -> Tensor:
            return self(condition[None], x[None], real)[0].log_softmax(-1)

        return solve(posterior, codes, options.steps, options.temperature, torch.Generator().manual_seed(seed))


def mask_to_time(codes: Tensor, time: Tensor, mask: int) -> Tensor:
    """x_t of codes (B, ...) at times (B,): all masked at 0, none at 1."""
    shape = (-1, *[1] * (codes.dim() - 1))
    return torch.where(torch.rand(codes.shape, device=codes.device) < time.view(shape), codes, mask)


def velocity(log_probs: Tensor, codes: Tensor, time: float) -> Tensor:
    """Velocity of each code's probabilities (..., K + 1), by log p(x_1 | x_t) (..., K) and x_t (...), K where masked.

    It is 0 where a code is not masked.
    """
    size = log_probs.shape[-1]
    masked = (codes == size)[..., None]
    rate = torch.cat([log_probs.exp(), -torch.ones_like(log_probs[..., :1])], -1) / (1 - time)
    return torch.where(masked, rate, 0.0)


def solve(
    posterior: Callable[[Tensor, float], Tensor], codes: Tensor, steps: int, temperature: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Carry codes (...), K where masked, from time 0 to 1: in each step masked codes are filled at their velocity.

    ``posterior``: (x_t, t) -> log-probabilities (..., K). Temperature 1 samples them, 0 takes the most probable.
    """
    for number in range(steps):
        now, next_time = number / steps, (number + 1) / steps
        log_probs = posterior(codes, now)
        size = log_probs.shape[-1]
        rate = -velocity(log_probs, codes, now)[..., size] * (next_time - now)  # of a masked code, else 0
        chance = torch.rand(codes.shape, generator=generator).to(codes.device)  # the same on every machine
        is_filled = chance < (rate if number < steps - 1 else rate.ceil())
        candidates = sample_codes(log_probs.flatten(0, -2), temperature, generator).view(codes.shape)
        codes = torch.where(is_filled & (codes == size), candidates, codes)
    return codes
