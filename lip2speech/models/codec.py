"""A codec of mels of our own: residual k-means over pairs of normalised mel frames, Q books of K centres at 50 Hz.

Book 1 codes a pair, each further one what the books before it leave. Shapes: B batch, N steps of 50 Hz, P = 160.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError

SAMPLED = 20_000  # pairs that a book is fitted to, at most
ROUNDS = 12
ONCE = 4096  # pairs whose distances are held at once


class Codec(nn.Module):
    """The centres of all books. Args: books: Q; size: K of each; width: P."""

    centres: Tensor

    def __init__(self, books: int, size: int, width: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(books, size, width))

    @torch.no_grad()
    def encode(self, pairs: Tensor) -> Tensor:
        """(..., P) -> codes (..., Q)."""
        left, codes = pairs.float().reshape(-1, pairs.shape[-1]), []
        for book in self.centres.float():
            codes.append(nearest(left, book))
            left = left - book[codes[-1]]
        return torch.stack(codes, -1).view(*pairs.shape[:-1], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (..., Q) -> pairs (..., P): the sum of their centres."""
        return torch.stack([book[codes[..., q]] for q, book in enumerate(self.centres)]).sum(0)

    @torch.no_grad()
    def fit(self, pairs: Tensor, seed: int = 0) -> Codec:
        """Find the centres of all books in pairs (M, P). Raises VsrError bad_units for fewer pairs than centres."""
        if len(pairs) < self.centres.shape[1]:
            raise VsrError("bad_units", f"{len(pairs)} steps of sound cannot make books of {self.centres.shape[1]}")
        generator = torch.Generator().manual_seed(seed)
        left = pairs[torch.randperm(len(pairs), generator=generator)[:SAMPLED]].float()
        for q in range(len(self.centres)):
            book = k_means(left, self.centres.shape[1], generator)
            self.centres[q] = book
            left = left - book[nearest(left, book)]
        return self


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """(M, P) -> the number (M,) of the nearest of the centres (K, P)."""
    half = centres.square().sum(1) / 2
    return torch.cat([(half - own @ centres.T).argmin(1) for own in points.split(ONCE)])


def k_means(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Lloyd's algorithm over (M, P), M at least ``size`` -> (K, P); a centre that nobody is near stays."""
    centres = points[torch.randperm(len(points), generator=generator)[:size]].clone()
    for _ in range(ROUNDS):
        labels = nearest(points, centres)
        counts = torch.bincount(labels, minlength=size)
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres
