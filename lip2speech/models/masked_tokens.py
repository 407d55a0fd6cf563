"""Masked tokens, filled in parallel (MaskGIT, Chang et al. 2022; book by book as in SoundStorm and Pheme, 2023).

Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each; MASK is K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.generators import GENERATORS, KnownCodes
from lip2speech.models.token_options import TokenOptions
from vsr.core.numbers import COUNT, check_numbers
from vsr.models.conformer import Conformer


@dataclass(frozen=True)
class ConformerSettings:
    """Sizes of a Conformer that sees all steps."""

    dim: int = 192
    layers: int = 3
    heads: int = 4
    hidden: int = 576
    kernel: int = 15
    dropout: float = 0.1

    def __post_init__(self):
        sizes = dict.fromkeys(("dim", "layers", "heads", "hidden", "kernel"), COUNT)
        check_numbers(self, "generator.", "bad_config", **sizes)


@GENERATORS.register("masked")
@dataclass(frozen=True)
class MaskedSettings(ConformerSettings):
    """Fills book by book, the most confident codes first."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Build the module."""
        return MaskedTokens(self, condition, books, size)


class Filler(nn.Module):
    """Predicts each code from the visual condition and the known codes."""

    def __init__(self, settings: ConformerSettings, condition: int, books: int, size: int):
        super().__init__()
        s = settings
        self.books, self.size = books, size
        self.codes = nn.ModuleList(nn.Embedding(size + 1, s.dim) for _ in range(books))
        self.seen = nn.Linear(condition, s.dim)
        self.conformer = Conformer(s.dim, s.layers, s.heads, s.hidden, s.kernel, s.dropout)
        self.output = nn.Linear(s.dim, books * size)

    def forward(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """condition (B, N, C), codes (B, N, Q), K where masked, mask (B, N) of real steps -> logits (B, N, Q, K)."""
        x = self.seen(condition)
        for q, embedding in enumerate(self.codes):
            x = x + embedding(codes[..., q])
        return self.output(self.conformer(x, mask)).float().unflatten(-1, (self.books, self.size))

    def initial_codes(self, condition: Tensor, known_codes: KnownCodes | None) -> tuple[Tensor, Tensor]:
        """Initial codes (N, Q) of sampling for a condition (N, C), masked except where given, and a mask (1, N) of
        steps, all real."""
        codes = torch.full((len(condition), self.books), self.size, device=condition.device)
        if known_codes is not None:
            codes = torch.where(known_codes.is_known[:, None], known_codes.codes, codes)
        return codes, torch.ones(1, len(codes), dtype=torch.bool, device=condition.device)


class MaskedTokens(Filler):
    """In training a part of one random book is masked; the books before it are known, those after it all masked."""

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of the masked codes of the drawn books."""
        codes, (count, steps) = codes.clamp(min=0), codes.shape[:2]
        book = torch.randint(0, self.books, (count,), device=codes.device)
        ratio = torch.cos(torch.pi / 2 * torch.rand(count, device=codes.device))
        hidden = (torch.rand(count, steps, device=codes.device) < ratio[:, None]) & mask
        hidden[:, 0] |= ratio == ratio  # at least one
        levels = torch.arange(self.books, device=codes.device)
        is_book, is_later = levels == book[:, None], levels > book[:, None]  # (B, Q)
        masked = (hidden[..., None] & is_book[:, None]) | is_later[:, None].expand_as(codes)
        logits = self(condition, codes.masked_fill(masked, self.size), mask)
        is_target = hidden[..., None] & is_book[:, None]
        return F.cross_entropy(logits[is_target], codes[is_target])

    @torch.no_grad()
    def sample(
        self, condition: Tensor, options: TokenOptions, seed: int, known_codes: KnownCodes | None = None
    ) -> Tensor:
        """Codes (N, Q) of one clip: the first book in ``options.steps`` rounds, the others in one round each."""
        codes, real = self.initial_codes(condition, known_codes)
        generator = torch.Generator().manual_seed(seed)
        for q in range(self.books):

            def score(now: Tensor, q: int = q) -> Tensor:
                codes[:, q] = now
                return self(condition[None], codes[None], real)[0, :, q]

            rounds = options.steps if q == 0 else 1
            codes[:, q] = fill_masked(score, codes[:, q].clone(), self.size, rounds, options.temperature, generator)
        return codes


def fill_masked(
    score: Callable[[Tensor], Tensor], codes: Tensor, size: int, rounds: int, temperature: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Fill the masked codes of (N,) in a number of rounds; each round keeps the codes of highest confidence.

    Args:
        score: codes, K where masked -> logits (N, K).
        temperature: of sampling, and of the Gumbel noise on the confidence, which falls with each round; 0: none.
    """
    was_masked = codes == size
    count = int(was_masked.sum())
    for number in range(1, rounds + 1):
        is_masked = codes == size
        if not is_masked.any():
            break
        log_probs = score(codes).log_softmax(-1)
        candidates = sample_codes(log_probs, temperature, generator)
        confidence = log_probs.gather(1, candidates[:, None])[:, 0]
        confidence = confidence + temperature * (1 - number / rounds) * gumbel(confidence.shape, generator).to(
            confidence.device
        )
        num_left = math.floor(count * math.cos(math.pi / 2 * number / rounds)) if number < rounds else 0
        order = confidence.masked_fill(~is_masked, -math.inf).argsort(descending=True)
        stay = order[: max(1, int(is_masked.sum()) - num_left)]
        codes = codes.index_put((stay,), candidates[stay])
    return codes


def sample_codes(log_probs: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Sample a code of each row: (N, K) -> (N,); temperature 0 takes the most probable."""
    if not temperature:
        return log_probs.argmax(-1)
    return (log_probs / temperature + gumbel(log_probs.shape, generator).to(log_probs.device)).argmax(-1)


def gumbel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise."""
    return -(-torch.rand(shape, generator=generator).clamp(min=1e-20).log()).log()
