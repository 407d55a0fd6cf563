"""What a search keeps between its steps: keys and values of the tokens of every hypothesis.

Shapes: B utterances, K hypotheses of each, U tokens, D width, H heads, E = D / H.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.models.attention import MultiHeadAttention


class PastCache:
    """Keys and values of self-attention, in buffers (B*K, H, capacity, E) that double when they are full."""

    def __init__(self, layers: int, utterances: int):
        self.utterances = utterances
        self.past: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.position = 0

    def attend(self, layer: int, attention: MultiHeadAttention, x: Tensor) -> Tensor:
        """One new position x (B, K, D) of every hypothesis looks at its own past and itself -> (B, K, D)."""
        rows = x.flatten(0, 1)[:, None]  # (B*K, 1, D): each hypothesis has a past of its own
        key, value = self._append(layer, *attention.keys_values(rows))
        return attention.attend(attention.split(attention.query(rows)), key, value, None).view_as(x)

    def _append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write one position (B*K, H, 1, E); returns the whole past, (B*K, H, position + 1, E)."""
        past = self.past[layer]
        if past is None or past[0].shape[2] == self.position:
            past = tuple(self._grown(old, new) for old, new in zip(past or (None, None), (key, value), strict=True))
            self.past[layer] = past
        for buffer, new in zip(past, (key, value), strict=True):
            buffer[:, :, self.position] = new[:, :, 0]
        end = self.position + 1
        return past[0][:, :, :end], past[1][:, :, :end]

    def _grown(self, old: Tensor | None, new: Tensor) -> Tensor:
        rows, heads, _, width = new.shape
        buffer = new.new_empty(rows, heads, max(16, 2 * self.position), width)
        if old is not None:
            buffer[:, :, : self.position] = old[:, :, : self.position]
        return buffer

    def reorder(self, parents: Tensor) -> None:
        """Hypothesis k of utterance b goes on from ``parents[b, k]`` of the same utterance; (B, K') long."""
        rows_each = self.past[0][0].shape[0] // self.utterances
        first = torch.arange(self.utterances, device=parents.device)[:, None] * rows_each
        self._take((first + parents).flatten())

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',), in that order."""
        if self.past[0] is not None:
            each = self.past[0][0].shape[0] // self.utterances
            self._take((rows[:, None] * each + torch.arange(each, device=rows.device)).flatten())
        self.utterances = len(rows)

    def _take(self, rows: Tensor) -> None:
        for layer, (key, value) in enumerate(self.past):
            if len(rows) == len(key):  # same number of hypotheses: only the used part moves
                key[:, :, : self.position] = key[rows, :, : self.position]
                value[:, :, : self.position] = value[rows, :, : self.position]
            else:
                self.past[layer] = key[rows], value[rows]
