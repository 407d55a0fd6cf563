"""A key-value memory of sound that lip states address.

AKVSR (Yeo et al. 2024): the values are centroids of a frozen audio model's states of speech; once they are computed, no
sound is needed. MVM (Kim et al. 2022): the values are learned from the sound of the training clips.

Shapes: B batch, T frames, D width, H heads, N slots, W width of a value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, POSITIVE
from vsr.data.codebook import read_codebook
from vsr.models.lengths import zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import ENCODERS, settings_of, split_kind


class Recall(NamedTuple):
    """What was read (B, T, D), attention over the slots (B, H, T, N), whose rows sum to 1, and the values (N, W)."""

    read: Tensor
    address: Tensor
    values: Tensor


class KeyValueMemory(nn.Module):
    """States (B, T, D) -> `Recall`, by the cosine of queries and keys.

    Args:
        dim, slots, heads, width: D, N, H, W.
        key_dim: width of a key.
        radius: factor of the cosines before their softmax.
        codebook: file of the values, which are then not trained, and from which the keys are computed; "": values and
            keys are learned, but the values get no gradient from lip states.
    """

    def __init__(self, dim: int, slots: int, heads: int, width: int, key_dim: int, radius: float, codebook: str):
        super().__init__()
        self.heads, self.radius, self.codebook = heads, radius, codebook
        self.query = nn.Linear(dim, heads * key_dim)
        if codebook:
            self.register_buffer("values", torch.randn(slots, width))
            self.key: nn.Module = nn.Linear(width, heads * key_dim)
        else:
            self.values = nn.Parameter(torch.randn(slots, width))
            self.keys = nn.Parameter(torch.randn(heads, slots, key_dim))
        self.out = nn.Linear(heads * width, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, states: Tensor) -> Recall:
        query = self.query(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, K)
        keys = self.key(self.values).unflatten(-1, (self.heads, -1)).transpose(0, 1) if self.codebook else self.keys
        address = (self.radius * F.normalize(query, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)).softmax(-1)
        read = address @ self.values.detach()  # (B, H, T, W)
        return Recall(self.norm(self.out(read.transpose(1, 2).flatten(2))), address, self.values)


class MemoryEncoder(nn.Module):
    """An encoder to whose states a gated memory output is added. The gate is 0 at first, which leaves them unchanged.

    Args:
        inner: features (B, T, D), mask (B, T) -> states (B, T, D).
        memory: `KeyValueMemory`.
    """

    def __init__(self, inner: nn.Module, memory: KeyValueMemory):
        super().__init__()
        self.inner, self.memory = inner, memory
        self.gate = nn.Parameter(torch.zeros(()))

    @property
    def layers(self) -> Any:
        """Layers of the inner encoder."""
        return getattr(self.inner, "layers", ())

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return self.joined(self.inner(features, mask), mask)

    def joined(self, states: Tensor, mask: Tensor) -> Tensor:
        """States plus the gated output of the memory, zero on padding."""
        return zero_padding(states + torch.tanh(self.gate) * self.memory(states).read, mask)


@ENCODERS.register("memory")
@dataclass(frozen=True)
class MemorySettings:
    """``encoder``: the inner encoder, {kind: ..., its settings} or a name; ``codebook``: file of `vsr teach --codebook`
    with ``slots`` centroids of ``width``, "" for learned values; other settings as in `KeyValueMemory`."""

    encoder: Any = field(default="conformer")
    codebook: str = ""
    slots: int = 200
    width: int = 192
    heads: int = 4
    key_dim: int = 48
    radius: float = 16.0

    def __post_init__(self):
        check_sizes(self, slots=COUNT, width=COUNT, heads=COUNT, key_dim=COUNT, radius=POSITIVE)
        object.__setattr__(self, "encoder", {"kind": self._kind(), **asdict(self._inner())})

    def _kind(self) -> str:
        return split_kind(self.encoder, "encoder.encoder")[0]

    def _inner(self) -> Any:
        return settings_of(ENCODERS, *split_kind(self.encoder, "encoder.encoder"))

    def build(self, dim: int) -> MemoryEncoder:
        c = self
        memory = KeyValueMemory(dim, c.slots, c.heads, c.width, c.key_dim, c.radius, c.codebook)
        return MemoryEncoder(self._inner().build(dim), memory)


def fill_memories(model: nn.Module) -> str:
    """Load the centroids into every memory with a codebook; returns a sentence that says which, "" if there is none.

    Raises VsrError bad_features, bad_config for centroids of a different number or width.
    """
    filled = []
    for memory in (module for module in model.modules() if isinstance(module, KeyValueMemory) and module.codebook):
        centroids = torch.from_numpy(read_codebook(memory.codebook))
        if centroids.shape != memory.values.shape:
            shape, expected = (" x ".join(map(str, tensor.shape)) for tensor in (centroids, memory.values))
            raise VsrError(
                "bad_config", f"model.encoder: slots x width is {expected}, and {memory.codebook} has {shape}"
            )
        memory.values.copy_(centroids)
        filled.append(f"memory {memory.codebook}: {centroids.shape[0]} centroids of {centroids.shape[1]}")
    return "; ".join(filled)
