"""Masked discrete flow matching over the codes of all books (Gat et al. 2024; the generator of DiFlowDubber, 2025).

A code at time t is masked with probability 1 - t, else it is the code itself. The network says what the codes are,
p(x_1 | x_t); the probability velocity of a masked code is (p - delta_mask) / (1 - t), of others 0, and sums to zero.
Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each; MASK is K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.generators import GENERATORS, Given
from lip2speech.models.masked_tokens import ConformerSettings, Filler, drawn
from lip2speech.models.token_options import TokenOptions


@GENERATORS.register("discrete_flow")
@dataclass(frozen=True)
class DiscreteFlowSettings(ConformerSettings):
    """All books at once, each code by itself."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Its module."""
        return DiscreteFlow(self, condition, books, size)


class DiscreteFlow(Filler):
    """What is seen, and what is not masked at time t, -> what each code is."""

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of the masked codes at times that are drawn evenly."""
        codes = codes.clamp(min=0)
        noisy = at_time(codes, torch.rand(len(codes), device=codes.device), self.size)
        noisy[:, 0, 0] = self.size  # at least one
        asked = (noisy == self.size) & mask[..., None]
        return F.cross_entropy(self(condition, noisy, mask)[asked], codes[asked])

    @torch.no_grad()
    def sample(self, condition: Tensor, options: TokenOptions, seed: int, given: Given | None = None) -> Tensor:
        """Codes (N, Q) of one clip in ``options.steps`` Euler steps."""
        codes, real = self.begun(condition, given)

        def posterior(x: Tensor, time: float) -> Tensor:
            return self(condition[None], x[None], real)[0].log_softmax(-1)

        return solved(posterior, codes, options.steps, options.temperature, torch.Generator().manual_seed(seed))


def at_time(codes: Tensor, time: Tensor, mask: int) -> Tensor:
    """x_t of codes (B, ...) at times (B,): all masked at 0, the codes at 1."""
    shape = (-1, *[1] * (codes.dim() - 1))
    return torch.where(torch.rand(codes.shape, device=codes.device) < time.view(shape), codes, mask)


def velocity(log_probs: Tensor, codes: Tensor, time: float) -> Tensor:
    """log p(x_1 | x_t) (..., K), x_t (...), K where masked -> the velocity of each code's probabilities (..., K + 1).

    Where a code is not masked it is 0.
    """
    size = log_probs.shape[-1]
    masked = (codes == size)[..., None]
    rate = torch.cat([log_probs.exp(), -torch.ones_like(log_probs[..., :1])], -1) / (1 - time)
    return torch.where(masked, rate, 0.0)


def solved(
    posterior: Callable[[Tensor, float], Tensor], codes: Tensor, steps: int, temperature: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Carry codes (...), K where masked, from time 0 to 1: in each step a masked code leaves by its velocity.

    ``posterior``: (x_t, t) -> log-probabilities (..., K). Temperature 1 draws from them, 0 takes the likeliest.
    """
    for number in range(steps):
        now, later = number / steps, (number + 1) / steps
        log_probs = posterior(codes, now)
        size = log_probs.shape[-1]
        leaving = -velocity(log_probs, codes, now)[..., size] * (later - now)  # of a masked code, else 0
        chance = torch.rand(codes.shape, generator=generator).to(codes.device)  # the same on every machine
        goes = chance < (leaving if number < steps - 1 else leaving.ceil())
        found = drawn(log_probs.flatten(0, -2), temperature, generator).view(codes.shape)
        codes = torch.where(goes & (codes == size), found, codes)
    return codes
