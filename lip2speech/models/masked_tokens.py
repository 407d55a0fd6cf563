"""Masked tokens, filled in parallel (MaskGIT, Chang et al. 2022; book by book as SoundStorm and Pheme do, 2023).

Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each; MASK is K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.generators import GENERATORS, Given
from lip2speech.models.token_options import TokenOptions
from vsr.core.numbers import COUNT, check_numbers
from vsr.models.conformer import Conformer

Network = Callable[[Tensor, Tensor, Tensor], Tensor]


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
    """Book by book, the surest codes first."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Its module."""
        return MaskedTokens(self, condition, books, size)


class Filler(nn.Module):
    """What is seen, and the codes that are known, -> what each code may be."""

    def __init__(self, settings: ConformerSettings, condition: int, books: int, size: int):
        super().__init__()
        s = settings
        self.books, self.size = books, size
        self.codes = nn.ModuleList(nn.Embedding(size + 1, s.dim) for _ in range(books))
        self.seen = nn.Linear(condition, s.dim)
        self.conformer = Conformer(s.dim, s.layers, s.heads, s.hidden, s.kernel, s.dropout)
        self.output = nn.Linear(s.dim, books * size)

    def forward(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """condition (B, N, C), codes (B, N, Q) with K where masked, mask (B, N) real -> logits (B, N, Q, K)."""
        x = self.seen(condition)
        for q, own in enumerate(self.codes):
            x = x + own(codes[..., q])
        return self.output(self.conformer(x, mask)).float().unflatten(-1, (self.books, self.size))

    def begun(self, condition: Tensor, given: Given | None) -> tuple[Tensor, Tensor]:
        """What sampling begins with, of condition (N, C): codes (N, Q), masked but for those that are given, and a mask
        (1, N) of steps, which are all real."""
        codes = torch.full((len(condition), self.books), self.size, device=condition.device)
        if given is not None:
            codes = torch.where(given.known[:, None], given.codes, codes)
        return codes, torch.ones(1, len(codes), dtype=torch.bool, device=condition.device)


class MaskedTokens(Filler):
    """Each training clip has one book of which a part is masked; those before it are known, those after it are not."""

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of the masked codes of the drawn books."""
        codes, (count, steps) = codes.clamp(min=0), codes.shape[:2]
        book = torch.randint(0, self.books, (count,), device=codes.device)
        ratio = torch.cos(torch.pi / 2 * torch.rand(count, device=codes.device))
        hidden = (torch.rand(count, steps, device=codes.device) < ratio[:, None]) & mask
        hidden[:, 0] |= ratio == ratio  # at least one
        levels = torch.arange(self.books, device=codes.device)
        own, later = levels == book[:, None], levels > book[:, None]  # (B, Q)
        masked = (hidden[..., None] & own[:, None]) | later[:, None].expand_as(codes)
        logits = self(condition, codes.masked_fill(masked, self.size), mask)
        asked = hidden[..., None] & own[:, None]
        return F.cross_entropy(logits[asked], codes[asked])

    @torch.no_grad()
    def sample(self, condition: Tensor, options: TokenOptions, seed: int, given: Given | None = None) -> Tensor:
        """Codes (N, Q) of one clip: the first book in ``options.steps`` rounds, each further one at once."""
        codes, real = self.begun(condition, given)
        generator = torch.Generator().manual_seed(seed)
        for q in range(self.books):

            def score(now: Tensor, q: int = q) -> Tensor:
                codes[:, q] = now
                return self(condition[None], codes[None], real)[0, :, q]

            rounds = options.steps if q == 0 else 1
            codes[:, q] = filled(score, codes[:, q].clone(), self.size, rounds, options.temperature, generator)
        return codes


def filled(
    score: Callable[[Tensor], Tensor], codes: Tensor, size: int, rounds: int, temperature: float,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Fill in what is masked of codes (N,), in so many rounds; after each those stay that the network is surest of.

    Args:
        score: codes with K where masked -> logits (N, K).
        temperature: of the draw of each code, and of the noise (Gumbel, less in each round) on how sure it is; 0: none.
    """
    asked = codes == size
    count = int(asked.sum())
    for number in range(1, rounds + 1):
        open_ = codes == size
        if not open_.any():
            break
        log_probs = score(codes).log_softmax(-1)
        found = drawn(log_probs, temperature, generator)
        sure = log_probs.gather(1, found[:, None])[:, 0]
        sure = sure + temperature * (1 - number / rounds) * gumbel(sure.shape, generator).to(sure.device)
        left = math.floor(count * math.cos(math.pi / 2 * number / rounds)) if number < rounds else 0
        order = sure.masked_fill(~open_, -math.inf).argsort(descending=True)
        stay = order[: max(1, int(open_.sum()) - left)]
        codes = codes.index_put((stay,), found[stay])
    return codes


def drawn(log_probs: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """(N, K) -> (N,): one of each row, at that temperature; 0: the likeliest."""
    if not temperature:
        return log_probs.argmax(-1)
    return (log_probs / temperature + gumbel(log_probs.shape, generator).to(log_probs.device)).argmax(-1)


def gumbel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise."""
    return -(-torch.rand(shape, generator=generator).clamp(min=1e-20).log()).log()
