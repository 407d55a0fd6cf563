"""The condition `text_cross` of the content model and the flow: the characters of a clip's text without times, which
cross-attention aligns (AlignDiT, Choi et al. 2025).

Shapes: B batch, N steps of 50 Hz, U characters, W width of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.conditions.layers import zeroed
from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from lip2speech.conditions.text import CHARACTERS, FIRST, UNKNOWN, characters
from vsr.core.numbers import COUNT, SHARE, check_numbers
from vsr.data.manifest import Clip
from vsr.models.attention import MultiHeadAttention
from vsr.models.lengths import sinusoid


@CONDITIONS.register("text_cross")
@dataclass(frozen=True)
class CrossText:
    """Characters in order, without times: every step attends to its own. Published: 4 layers of 512, attention in every
    block of the flow; here it is before the first block.

    Args:
        drop: share of training clips without text.
        embedding, layers, kernel, heads: of the characters' convolutions and the attention.
    """

    drop: float = 0.2
    embedding: int = 128
    layers: int = 4
    kernel: int = 7
    heads: int = 4
    width = 1
    per_frame = True
    sequence = True
    places = (CONTENT, FLOW)
    spoken = True

    def __post_init__(self):
        check_numbers(self, "text_cross.", drop=SHARE, embedding=COUNT, layers=COUNT, kernel=COUNT, heads=COUNT)
        if self.kernel % 2 == 0 or self.embedding % self.heads:
            raise ValueError("text_cross: kernel must be odd, and embedding a multiple of heads")

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """The condition (U, 1) of a clip's text with a space at both ends; one unknown token where there is none."""
        tokens = characters(f" {clip.text} ") if clip.text else [UNKNOWN]
        return np.array(tokens, np.float32)[:, None]

    def build(self, dim: int) -> nn.Module:
        """Build its module for a network of width W."""
        return Cross(self, dim)


class Cross(nn.Module):
    """Convolutions over the characters, then cross-attention from the steps; its output is initialised to zero."""

    def __init__(self, settings: CrossText, dim: int):
        super().__init__()
        width, kernel = settings.embedding, settings.kernel
        self.token = nn.Embedding(FIRST + len(CHARACTERS), width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(settings.layers)
        )
        self.norm, self.query = nn.LayerNorm(width), nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width))
        self.attention = MultiHeadAttention(width, settings.heads)
        self.null, self.project = nn.Parameter(torch.zeros(dim)), zeroed(nn.Linear(width, dim))

    def forward(self, value: Tensor | None, keep: Tensor, query: Tensor) -> Tensor:
        """value (B, U, 1), keep (B,), query (B, N, W) -> (B, N, W)."""
        if value is None:
            return self.null.expand_as(query)
        ids = value[..., 0].long()
        real = ids != UNKNOWN
        memory = self.memory(ids, real)
        positions = torch.arange(query.shape[1], device=query.device)
        queries = self.query(query) + sinusoid(positions, self.token.embedding_dim).to(query.dtype)
        attention_mask = torch.where(real, 0.0, torch.finfo(query.dtype).min).to(query.dtype)[:, None, None]
        key, content = self.attention.keys_values(memory)
        attended = self.attention.attend(
            self.attention.split(self.attention.query(queries)), key, content, attention_mask
        )
        is_shown = (keep & real.any(1))[:, None, None]
        return torch.where(is_shown, self.project(attended), self.null)

    def memory(self, ids: Tensor, real: Tensor) -> Tensor:
        """Encode characters (B, U) with their positions into (B, U, E)."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.token(ids) + sinusoid(4 * positions, self.token.embedding_dim).to(self.token.weight.dtype)
        for convolution in self.convolutions:
            y = (x * real[..., None]).transpose(1, 2)
            x = x + F.gelu(convolution(y)).transpose(1, 2)
        return self.norm(x)
