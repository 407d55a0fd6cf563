"""The cache of a search: keys and values of the tokens of all hypotheses, as a tree.

Hypotheses of an utterance share most of their past. Every token that was ever tried is one node, projected once and
never moved when hypotheses change places; a mask gives each hypothesis the nodes of its past. So the hypotheses
are the queries of one attention over the nodes, and going on from other parents re-orders the mask alone.

Shapes: B utterances, K hypotheses of each, N nodes of each, D width, H heads, E = D / H.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vsr.models.attention import MultiHeadAttention

SPARE = 3  # steps between two clearances: nodes that nobody descends from cost little until then


class PastCache:
    """Keys and values of self-attention, in buffers (B, H, capacity, E), and the mask (B, K, N), added to scores."""

    def __init__(self, utterances: int):
        self.utterances = utterances
        self.position = 0  # tokens of every hypothesis
        self.nodes = 0  # that are in use, N
        self.buffers: dict[int, tuple[Tensor, Tensor]] = {}  # by layer
        self._mask: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, K, N): 0 on the past of each hypothesis, else minus infinity. Raises RuntimeError before a token."""
        if self._mask is None:
            raise RuntimeError("the cache holds no token yet: open() makes place for one")
        return self._mask

    def open(self, x: Tensor) -> None:
        """Make place for one more token of each hypothesis; x (B, K, D) is what its attention will see first."""
        count = x.shape[1]
        own = x.new_full((count, count), -math.inf).fill_diagonal_(0.0).expand(self.utterances, -1, -1)
        if self.nodes and self.nodes + count > self.buffers[0][0].shape[2]:
            self._clear(SPARE * count)
        self._mask = own if self._mask is None else torch.cat([self.mask, own], dim=2)
        self.nodes += count
        self.position += 1

    def attend(self, layer: int, attention: MultiHeadAttention, x: Tensor) -> Tensor:
        """The new tokens x (B, K, D) look at their past and themselves -> (B, K, D)."""
        new = attention.keys_values(x)
        if layer not in self.buffers:
            key, value = (self._with_room(own[:, :, :0], SPARE * own.shape[2]) for own in new)
            self.buffers[layer] = key, value
        for buffer, own in zip(self.buffers[layer], new, strict=True):
            buffer[:, :, self.nodes - own.shape[2] : self.nodes] = own
        key, value = (buffer[:, :, : self.nodes] for buffer in self.buffers[layer])
        return attention.attend(attention.split(attention.query(x)), key, value, self.mask[:, None])

    def reorder(self, parents: Tensor) -> None:
        """Hypothesis k of utterance b goes on from ``parents[b, k]`` of the same utterance; (B, K') long."""
        self._mask = self.mask.gather(1, parents[..., None].expand(-1, -1, self.nodes))

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',), in that order."""
        self.utterances = len(rows)
        if self._mask is not None:
            self._mask = self._mask[rows]
            self.buffers = {layer: (key[rows], value[rows]) for layer, (key, value) in self.buffers.items()}

    def _clear(self, spare: int) -> None:
        """Drop the nodes that no hypothesis descends from, and leave room for ``spare`` new ones."""
        alive = (self.mask == 0).any(1)  # (B, N)
        self.nodes = int(alive.sum(1).max())
        kept = alive.int().topk(self.nodes, dim=1, sorted=False).indices  # the living, and dead ones to fill up
        self._mask = self.mask.gather(2, kept[:, None].expand(-1, self.mask.shape[1], -1))
        for layer, pair in self.buffers.items():
            index = kept[:, None, :, None].expand(-1, pair[0].shape[1], -1, pair[0].shape[3])
            key, value = (self._with_room(own.gather(2, index), spare) for own in pair)
            self.buffers[layer] = key, value

    @staticmethod
    def _with_room(own: Tensor, spare: int) -> Tensor:
        """The same nodes (B, H, N, E) in a buffer with room for ``spare`` more."""
        batch, heads, nodes, width = own.shape
        buffer = own.new_zeros(batch, heads, nodes + spare, width)
        buffer[:, :, :nodes] = own
        return buffer
