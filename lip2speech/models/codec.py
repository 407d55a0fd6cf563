"""A mel codec: residual k-means over pairs of normalised mel frames, Q books of K centres at 50 Hz.

Book 1 codes a pair, each further book the residual of those before it. Shapes: B batch, N steps of 50 Hz, P = 160.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError

SAMPLED = 20_000  # pairs that a book is fitted to, at most
ROUNDS = 12
ONCE = 4096  # pairs whose distances are in memory at once


class Codec(nn.Module):
    """The centres of all books. Args: books: Q; size: K of each; width: P."""

    centres: Tensor

    def __init__(self, books: int, size: int, width: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(books, size, width))

    @torch.no_grad()
    def encode(self, pairs: Tensor) -> Tensor:
        """Codes (..., Q) of pairs (..., P)."""
        residual, codes = pairs.float().reshape(-1, pairs.shape[-1]), []
        for book in self.centres.float():
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, -1).view(*pairs.shape[:-1], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Pairs (..., P) of codes (..., Q): the sum of their centres."""
        return torch.stack([book[codes[..., q]] for q, book in enumerate(self.centres)]).sum(0)

    @torch.no_grad()
    def fit(self, pairs: Tensor, seed: int = 0) -> Codec:
        """Fit the centres of all books to pairs (M, P). Raises VsrError bad_units for fewer pairs than centres."""
        if len(pairs) < self.centres.shape[1]:
            raise VsrError("bad_units", f"{len(pairs)} steps of sound cannot make books of {self.centres.shape[1]}")
        generator = torch.Generator().manual_seed(seed)
        residual = pairs[torch.randperm(len(pairs), generator=generator)[:SAMPLED]].float()
        for q in range(len(self.centres)):
            book = k_means(residual, self.centres.shape[1], generator)
            self.centres[q] = book
            residual = residual - book[nearest(residual, book)]
        return self


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index (M,) of the centre (K, P) that is nearest to each point (M, P)."""
    half = centres.square().sum(1) / 2
    return torch.cat([(half - chunk @ centres.T).argmin(1) for chunk in points.split(ONCE)])


def k_means(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Centres (K, P) of points (M, P), M at least ``size``, by Lloyd's algorithm; a centre without points stays."""
    centres = points[torch.randperm(len(points), generator=generator)[:size]].clone()
    for _ in range(ROUNDS):
        labels = nearest(points, centres)
        counts = torch.bincount(labels, minlength=size)
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres
