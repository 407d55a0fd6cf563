"""Which sentence of a slot grammar a CTC network's log-probabilities fit best: the best path, exactly.

A sentence is one word of each slot; a word is one of its pronunciations, a path of CTC classes with blanks in between
where it likes, and before and after the sentence. Shapes: T frames, C classes, of which 0 is the blank; V
pronunciations in a slot, S states of the longest: phoneme, blank, phoneme, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Pronunciations = Mapping[str, Sequence[Sequence[int]]]  # word -> its pronunciations, each of classes from 1 on
NEVER = -np.inf


def best_words(log_probs: np.ndarray, slots: Sequence[Pronunciations]) -> list[str]:
    """(T, C) -> a word of each slot; [] where no sentence fits into so few frames."""
    frames, classes = log_probs.shape
    ends = np.full((frames + 1, classes), NEVER)  # [t, c]: the words so far end before frame t, c is the last class
    ends[:, 0] = np.concatenate([[0.0], np.cumsum(log_probs[:, 0])])
    passed = []
    for slot in slots:
        ends, back = _through(log_probs.astype(np.float64), slot, ends)
        passed.append(back)
    place, last = frames, int(ends[frames].argmax())
    if ends[place, last] == NEVER:
        return []
    found = []
    for words, of, came, by in reversed(passed):
        found.append(words[of[place, last]])
        place, last = int(came[place, last]), int(by[place, last])
    return found[::-1]


def _through(log_probs: np.ndarray, slot: Pronunciations, ends: np.ndarray):
    """`ends` after one more slot; and its words by pronunciation, with the pronunciation, the frame and the class
    before it of each end (all (T + 1, C))."""
    words, paths, states = _laid_out(slot)
    count, size = paths.shape
    skips = np.ones((count, size), bool)  # whether a phoneme can follow the last without a blank
    skips[:, 2::2] = paths[:, 2::2] != paths[:, :-2:2]
    skips[:, 1::2] = False
    blank, last = states - 1, states - 2  # after a word, and its last phoneme
    rows = np.arange(count)
    ending = np.arange(ends.shape[1])[:, None] == paths[rows, last]  # (C, V)
    new, (of, came, by) = np.full_like(ends, NEVER), (np.zeros(ends.shape, int) for _ in range(3))
    score, since, after = np.full((count, size), NEVER), np.zeros((count, size), int), np.zeros((count, size), int)
    for frame, own in enumerate(log_probs):
        start, label = _entries(ends[frame], paths[:, 0])
        score, since, after = _step(score, since, after, skips, start, label, frame)
        score += own[paths]
        each = np.where(ending, score[rows, last], NEVER)
        each[0] = score[rows, blank]
        best = each.argmax(1)
        state = np.where(np.arange(len(best)) > 0, last[best], blank[best])
        new[frame + 1], of[frame + 1] = each.max(1), best
        came[frame + 1], by[frame + 1] = since[best, state], after[best, state]
    return new, (words, of, came, by)


def _laid_out(slot: Pronunciations) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The word of each pronunciation, its classes (V, S) with a blank behind each phoneme, and how many they are."""
    each = [(word, path) for word, paths in slot.items() for path in paths if len(path)]
    size = 2 * max(len(path) for _, path in each)
    laid = np.zeros((len(each), size), int)
    for row, (_, path) in enumerate(each):
        laid[row, : 2 * len(path) : 2] = path
    return [word for word, _ in each], laid, np.array([2 * len(path) for _, path in each])


def _entries(ends: np.ndarray, firsts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of ends (C,) from which each first phoneme (V,) can be entered, which is not itself; and its class."""
    open_to = np.where(np.arange(len(ends)) == firsts[:, None], NEVER, ends)
    label = open_to.argmax(1)
    return open_to[np.arange(len(firsts)), label], label


def _step(score, since, after, skips, start, label, frame):
    """The best way into each state (V, S): stay, come from the one before, or from the phoneme before that; into the
    first: from ``start``. Each with the frame and the class from which its word was entered."""
    one, two = np.full_like(score, NEVER), np.full_like(score, NEVER)
    one[:, 1:], one[:, 0] = score[:, :-1], start
    two[:, 2:] = np.where(skips[:, 2:], score[:, :-2], NEVER)
    way = np.stack([score, one, two])
    best = way.argmax(0)
    since, after = (
        np.take_along_axis(np.stack([kept, _moved(kept, 1, new), _moved(kept, 2, new)]), best[None], 0)[0]
        for kept, new in ((since, np.full(len(score), frame)), (after, label))
    )
    return np.take_along_axis(way, best[None], 0)[0], since, after


def _moved(values: np.ndarray, by: int, first: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(values)
    moved[:, by:] = values[:, :-by]
    if by == 1:
        moved[:, 0] = first
    return moved
