"""The longest common subsequence of two token sequences: where the recognised tokens equal the reference."""

from __future__ import annotations

from collections.abc import Sequence


def common_places(recognised: Sequence[int], reference: Sequence[int]) -> list[tuple[int, int]]:
    """(place in ``recognised``, place in ``reference``) of each pair of a longest common subsequence, in order."""
    lengths = [[0] * (len(reference) + 1) for _ in range(len(recognised) + 1)]
    for i in range(len(recognised) - 1, -1, -1):
        for j in range(len(reference) - 1, -1, -1):
            matched = 1 + lengths[i + 1][j + 1] if recognised[i] == reference[j] else 0
            lengths[i][j] = max(matched, lengths[i + 1][j], lengths[i][j + 1])
    places, i, j = [], 0, 0
    while i < len(recognised) and j < len(reference):
        if recognised[i] == reference[j] and lengths[i][j] == 1 + lengths[i + 1][j + 1]:
            places.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return places
