"""The longest common subsequence of two strings of tokens: where what was heard is what was said."""

from __future__ import annotations

from collections.abc import Sequence


def common_places(heard: Sequence[int], said: Sequence[int]) -> list[tuple[int, int]]:
    """(place in ``heard``, place in ``said``) of a longest common subsequence, in their order."""
    lengths = [[0] * (len(said) + 1) for _ in range(len(heard) + 1)]
    for i in range(len(heard) - 1, -1, -1):
        for j in range(len(said) - 1, -1, -1):
            same = 1 + lengths[i + 1][j + 1] if heard[i] == said[j] else 0
            lengths[i][j] = max(same, lengths[i + 1][j], lengths[i][j + 1])
    places, i, j = [], 0, 0
    while i < len(heard) and j < len(said):
        if heard[i] == said[j] and lengths[i][j] == 1 + lengths[i + 1][j + 1]:
            places.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return places
