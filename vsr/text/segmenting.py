"""Segments a text into the fewest pieces of a list, for a model without its segmenter."""

from __future__ import annotations

from collections.abc import Collection


def fewest_pieces(text: str, pieces: Collection[str]) -> list[str]:
    """The shortest spelling of ``text`` by ``pieces``; of several, the one with the longest pieces first.

    A letter that is in no piece stands by itself.
    """
    longest = max(map(len, pieces), default=1)
    costs, nexts = [0] * (len(text) + 1), [0] * len(text)
    for start in range(len(text) - 1, -1, -1):
        ends = [end for end in range(start + 1, min(len(text), start + longest) + 1) if text[start:end] in pieces]
        # An unknown letter costs more than any spelling could.
        choices = [(1 + costs[end], -end) for end in ends] or [(1 + len(text) + costs[start + 1], -start - 1)]
        costs[start], negative = min(choices)
        nexts[start] = -negative
    segments, start = [], 0
    while start < len(text):
        segments.append(text[start : nexts[start]])
        start = nexts[start]
    return segments
