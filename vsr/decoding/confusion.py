"""Aligned hypotheses of several systems: a confusion network (ROVER; Fiscus 1997).

A network of N members is a list of slots; a slot is the N words that the members have there, "" where one has none.
Each member's own hypothesis is a path through it. Members are aligned one after the other to what stands already, so
the best comes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

Slot = tuple[str, ...]
SKIP = 1.0  # a slot without a word, or a word without a slot
UNLIKE = 0.5  # the part of a substitution's cost that no likeness of spelling takes off


def network_of(members: Sequence[Sequence[str]]) -> list[Slot]:
    """Words of each of N members -> slots of N words."""
    slots: list[Slot] = []
    for place, words in enumerate(members):
        slots = _joined(slots, words, place)
    return slots


def _joined(slots: list[Slot], words: Sequence[str], place: int) -> list[Slot]:
    """Slots of ``place`` members and the words of one more."""
    grown: list[Slot] = []
    for slot, word in _alignment(slots, words):
        grown.append((*(("",) * place if slot is None else slots[slot]), "" if word is None else words[word]))
    return grown


def _alignment(slots: list[Slot], words: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs (slot, word) of the cheapest alignment, either None where it has no partner."""
    rows, columns = len(slots) + 1, len(words) + 1
    cost = [[SKIP * column for column in range(columns)] for _ in range(rows)]
    for i in range(1, rows):
        cost[i][0] = cost[i - 1][0] + _skip(slots[i - 1])
        for j in range(1, columns):
            cost[i][j] = min(_steps(cost, slots, words, i, j))
    found: list[tuple[int | None, int | None]] = []
    i, j = len(slots), len(words)
    while i or j:
        together, alone, new = _steps(cost, slots, words, i, j)
        if together <= min(alone, new):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif alone <= new:
            i -= 1
            found.append((i, None))
        else:
            j -= 1
            found.append((None, j))
    return found[::-1]


def _steps(cost, slots, words, i: int, j: int) -> tuple[float, float, float]:
    never = float("inf")
    together = cost[i - 1][j - 1] + _substitution(slots[i - 1], words[j - 1]) if i and j else never
    return together, cost[i - 1][j] + _skip(slots[i - 1]) if i else never, cost[i][j - 1] + SKIP if j else never


def _skip(slot: Slot) -> float:
    """Cheaper where others have no word there either."""
    return SKIP * (1 - slot.count("") / (len(slot) + 1))


def _substitution(slot: Slot, word: str) -> float:
    """0 where the word stands in the slot, less than 1 where one is spelled like it."""
    return 0.0 if word in slot else UNLIKE + (1 - UNLIKE) * min(_unlike(own, word) for own in slot)


@lru_cache(100_000)
def _unlike(one: str, other: str) -> float:
    return 1 - SequenceMatcher(None, one, other, autojunk=False).ratio()


def best_paths(choices: Sequence[Mapping[str, float]], count: int) -> list[tuple[str, ...]]:
    """The ``count`` paths of the highest sums of scores, best first.

    ``choices``: what can stand in each slot -> its score.
    """
    ranked = [sorted(choice.items(), key=lambda item: (-item[1], item[0])) for choice in choices]
    start = (0,) * len(ranked)
    waiting = [(-sum(slot[0][1] for slot in ranked), start)]
    seen = {start}
    found: list[tuple[str, ...]] = []
    while waiting and len(found) < count:
        worst, path = heapq.heappop(waiting)
        found.append(tuple(slot[place][0] for slot, place in zip(ranked, path, strict=True)))
        for index, place in enumerate(path):
            following = (*path[:index], place + 1, *path[index + 1 :])
            if place + 1 < len(ranked[index]) and following not in seen:
                seen.add(following)
                fall = ranked[index][place][1] - ranked[index][place + 1][1]
                heapq.heappush(waiting, (worst + fall, following))
    return found


def text_of(path: Sequence[str]) -> str:
    """A path as text."""
    return " ".join(word for word in path if word)
