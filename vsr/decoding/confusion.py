"""Confusion network of the aligned hypotheses of several systems (ROVER; Fiscus 1997).

A network of N members is a list of slots; a slot holds the N words that the members have there, "" for a member that
has none. Each member's hypothesis is a path through the network. Members are aligned to the network one after the
other, so the best member comes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

Slot = tuple[str, ...]
SKIP = 1.0  # a slot without a word, or a word without a slot
UNLIKE = 0.5  # least cost of a substitution, however similar the spellings


def network_of(members: Sequence[Sequence[str]]) -> list[Slot]:
    """Hypotheses (words) of N members -> slots of N words."""
    slots: list[Slot] = []
    for place, words in enumerate(members):
        slots = _joined(slots, words, place)
    return slots


def _joined(slots: list[Slot], words: Sequence[str], place: int) -> list[Slot]:
    """Slots of ``place`` members, joined by the words of one more member."""
    grown: list[Slot] = []
    for slot, word in _alignment(slots, words):
        grown.append((*(("",) * place if slot is None else slots[slot]), "" if word is None else words[word]))
    return grown


def _alignment(slots: list[Slot], words: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs (slot, word) of the cheapest alignment; either is None where the other has no partner."""
    rows, columns = len(slots) + 1, len(words) + 1
    cost = [[SKIP * column for column in range(columns)] for _ in range(rows)]
    for i in range(1, rows):
        cost[i][0] = cost[i - 1][0] + _skip(slots[i - 1])
        for j in range(1, columns):
            cost[i][j] = min(_steps(cost, slots, words, i, j))
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(slots), len(words)
    while i or j:
        together, alone, new = _steps(cost, slots, words, i, j)
        if together <= min(alone, new):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif alone <= new:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def _steps(cost, slots, words, i: int, j: int) -> tuple[float, float, float]:
    never = float("inf")
    together = cost[i - 1][j - 1] + _substitution(slots[i - 1], words[j - 1]) if i and j else never
    return together, cost[i - 1][j] + _skip(slots[i - 1]) if i else never, cost[i][j - 1] + SKIP if j else never


def _skip(slot: Slot) -> float:
    """Cost of skipping a slot, less where other members have no word there either."""
    return SKIP * (1 - slot.count("") / (len(slot) + 1))


def _substitution(slot: Slot, word: str) -> float:
    """Cost of a substitution: 0 where the slot has the word, less than 1 where it has a word of similar spelling."""
    return (
        0.0 if word in slot else UNLIKE + (1 - UNLIKE) * min(_substitution_cost(candidate, word) for candidate in slot)
    )


@lru_cache(100_000)
def _substitution_cost(a: str, b: str) -> float:
    return 1 - SequenceMatcher(None, a, b, autojunk=False).ratio()


def best_paths(choices: Sequence[Mapping[str, float]], count: int) -> list[tuple[str, ...]]:
    """The ``count`` paths with the highest sums of scores, best first.

    ``choices``: for each slot, the possible words with their scores.
    """
    ranked = [sorted(choice.items(), key=lambda item: (-item[1], item[0])) for choice in choices]
    start = (0,) * len(ranked)
    heap = [(-sum(slot[0][1] for slot in ranked), start)]
    seen = {start}
    paths: list[tuple[str, ...]] = []
    while heap and len(paths) < count:
        worst, path = heapq.heappop(heap)
        paths.append(tuple(slot[rank][0] for slot, rank in zip(ranked, path, strict=True)))
        for index, rank in enumerate(path):
            following = (*path[:index], rank + 1, *path[index + 1 :])
            if rank + 1 < len(ranked[index]) and following not in seen:
                seen.add(following)
                loss = ranked[index][rank][1] - ranked[index][rank + 1][1]
                heapq.heappush(heap, (worst + loss, following))
    return paths


def text_of(path: Sequence[str]) -> str:
    """A path as text."""
    return " ".join(word for word in path if word)
