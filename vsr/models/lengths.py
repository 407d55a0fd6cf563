"""Length and mask arithmetic, for all modules.

Shapes: B batch, T positions. A mask is True where a position is real and False where it is padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor


def length_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Lengths (B,) -> mask (B, max_length), True on real positions."""
    return torch.arange(max_length, device=lengths.device)[None, :] < lengths[:, None]


def zero_padding(x: Tensor, mask: Tensor) -> Tensor:
    """Set the padded positions of ``x`` (B, T, ...) to zero; ``mask`` is (B, T)."""
    return x.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), 0)


_unpadded: ContextVar[bool] = ContextVar("unpadded", default=False)


@contextmanager
def unpadded() -> Iterator[None]:
    """Context in which all frames count as real: nothing is indexed by a mask, so that the model can be exported."""
    token = _unpadded.set(True)
    try:
        yield
    finally:
        _unpadded.reset(token)


def gather_frames(x: Tensor, mask: Tensor) -> Tensor:
    """The real frames of ``x`` (B, T, ...), (N, ...)."""
    return x.flatten(0, 1) if _unpadded.get() else x[mask]


def scatter_frames(real: Tensor, mask: Tensor) -> Tensor:
    """Inverse of `gather_frames`: real frames (N, ...) -> (B, T, ...), zero on padding."""
    if _unpadded.get():
        return real.view(*mask.shape, *real.shape[1:])
    x = real.new_zeros(*mask.shape, *real.shape[1:])
    x[mask] = real
    return x


def key_mask(mask: Tensor) -> Tensor:
    """Mask (B, T) -> (B, 1, 1, T), as scaled_dot_product_attention broadcasts it over heads and queries."""
    return mask[:, None, None, :]


def causal_mask(length: int, device: torch.device) -> Tensor:
    """Lower-triangular mask (length, length): a query sees itself and earlier positions."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def sinusoid(positions: Tensor, dim: int) -> Tensor:
    """Sinusoidal position code (Vaswani et al. 2017) of ``positions`` (N,) -> (N, dim), sine and cosine interleaved."""
    angles = positions[:, None].float() * _rates(dim, positions.device)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@lru_cache(maxsize=16)
def _rates(dim: int, device: torch.device) -> Tensor:
    """Angle (radians) by which each pair of `sinusoid` advances per position, (dim / 2,)."""
    with torch.inference_mode(False):
        base = torch.tensor(1e4, device=device)
        return torch.exp(torch.arange(0, dim, 2, device=device) * (-torch.log(base) / dim))
