"""Relative positions of ESPnet before 2021, which models of that time still need.

That code took the score of a query with a later key from the next query, and counted positions down from the end of a
table of 5,000. Both are reproduced from the length of each clip alone, so that padding changes nothing.

Shapes: B batch, T keys, H heads, E width of a head, D = H * E.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.models.attention import RelativeAttention, masked_scores
from vsr.models.lengths import sinusoid

TABLE = 5000  # least number of positions in the table


class LegacyRelativeAttention(RelativeAttention):
    """`RelativeAttention` with the older position scores; the weights have the same names and shapes."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, 1, 1, T) True on real frames -> (B, T, D)."""
        query = self.split(self.query(x))
        key, value = self.keys_values(x)
        scores = self.legacy_scores(query, mask[:, 0, 0].sum(-1))
        return self.attend(query + self.content_bias, key, value, masked_scores(scores, mask), self.dropped)

    def legacy_scores(self, query: Tensor, lengths: Tensor) -> Tensor:
        """Queries (B, H, T, E), lengths (B,) -> the position term of the scores, (B, H, T, T)."""
        batch, heads, length, width = query.shape
        steps = torch.arange(length, device=query.device)
        table_positions = (lengths.clamp(min=TABLE) - lengths)[:, None] + steps  # (B, T), for each distance
        code = sinusoid(table_positions.flatten(), heads * width).view(batch, length, -1).to(query.dtype)
        scores = (query + self.position_bias) @ self.split(self.position(code)).transpose(2, 3)  # by distance
        after = scores.roll(-1, dims=2)  # of the next query
        distance = steps[:, None] - steps  # (T, T): query - key
        wrapped = (lengths[:, None, None] + 1 + distance).clamp(0, length - 1)
        before = distance.clamp(min=0).expand(batch, heads, -1, -1)
        by_key = torch.where(
            distance >= 0,
            scores.gather(3, before),
            after.gather(3, wrapped[:, None].expand(-1, heads, -1, -1)).masked_fill(distance == -1, 0),
        )
        return by_key * width**-0.5
