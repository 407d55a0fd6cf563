"""The cache of a beam search: keys and values of the tokens of all hypotheses, as a prefix tree.

Hypotheses of an utterance share most of their past. Each token of the tree is a node, projected once and never moved
when hypotheses are reordered; a mask selects the past of each hypothesis. So the hypotheses are the queries of one
attention over the nodes, and reordering them changes only the mask.

Shapes: B utterances, K hypotheses of each, N nodes of each, D width, H heads, E = D / H.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vsr.models.attention import MultiHeadAttention

SPARE = 3  # steps between two clearances: until then, nodes without descendants cost little


class PastCache:
    """Keys and values of self-attention, in buffers (B, H, capacity, E), and the mask (B, K, N), added to scores."""

    def __init__(self, utterances: int):
        self.utterances = utterances
        self.position = 0  # number of tokens of every hypothesis
        self.nodes = 0  # nodes in use, N
        self.buffers: dict[int, tuple[Tensor, Tensor]] = {}  # by layer
        self._mask: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, K, N): 0 on the past of each hypothesis, else minus infinity. Raises RuntimeError while empty."""
        if self._mask is None:
            raise RuntimeError("the cache holds no token yet: open() makes place for one")
        return self._mask

    def open(self, x: Tensor) -> None:
        """Add a node for the next token of each hypothesis; x (B, K, D) is the input of its first layer."""
        count = x.shape[1]
        own_mask = x.new_full((count, count), -math.inf).fill_diagonal_(0.0).expand(self.utterances, -1, -1)
        if self.nodes and self.nodes + count > self.buffers[0][0].shape[2]:
            self._clear(SPARE * count)
        self._mask = own_mask if self._mask is None else torch.cat([self.mask, own_mask], dim=2)
        self.nodes += count
        self.position += 1

    def attend(self, layer: int, attention: MultiHeadAttention, x: Tensor) -> Tensor:
        """Attention of the new tokens x (B, K, D) to their past and themselves -> (B, K, D)."""
        projected = attention.keys_values(x)
        if layer not in self.buffers:
            key, value = (self._with_room(new[:, :, :0], SPARE * new.shape[2]) for new in projected)
            self.buffers[layer] = key, value
        for buffer, new in zip(self.buffers[layer], projected, strict=True):
            buffer[:, :, self.nodes - new.shape[2] : self.nodes] = new
        key, value = (buffer[:, :, : self.nodes] for buffer in self.buffers[layer])
        return attention.attend(attention.split(attention.query(x)), key, value, self.mask[:, None])

    def reorder(self, parents: Tensor) -> None:
        """Hypothesis k of utterance b continues ``parents[b, k]`` of the same utterance; parents (B, K')."""
        self._mask = self.mask.gather(1, parents[..., None].expand(-1, -1, self.nodes))

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',), in that order."""
        self.utterances = len(rows)
        if self._mask is not None:
            self._mask = self._mask[rows]
            self.buffers = {layer: (key[rows], value[rows]) for layer, (key, value) in self.buffers.items()}

    def _clear(self, spare: int) -> None:
        """Drop the nodes that are in no hypothesis, and make room for ``spare`` new ones."""
        in_use = (self.mask == 0).any(1)  # (B, N)
        self.nodes = int(in_use.sum(1).max())
        # Nodes in use; for utterances with fewer than others, some unused ones too.
        indices = in_use.int().topk(self.nodes, dim=1, sorted=False).indices
        self._mask = self.mask.gather(2, indices[:, None].expand(-1, self.mask.shape[1], -1))
        for layer, pair in self.buffers.items():
            index = indices[:, None, :, None].expand(-1, pair[0].shape[1], -1, pair[0].shape[3])
            key, value = (self._with_room(buffer.gather(2, index), spare) for buffer in pair)
            self.buffers[layer] = key, value

    @staticmethod
    def _with_room(stored: Tensor, spare: int) -> Tensor:
        """The nodes (B, H, N, E) in a buffer with room for ``spare`` more."""
        batch, heads, nodes, width = stored.shape
        buffer = stored.new_zeros(batch, heads, nodes + spare, width)
        buffer[:, :, :nodes] = stored
        return buffer
