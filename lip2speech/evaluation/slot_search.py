"""Exact Viterbi search for the sentence of a slot grammar that fits a CTC network's log-probabilities best.

A sentence is one word of each slot; a word is one of its pronunciations, a path of CTC classes with optional blanks
in between, and before and after the sentence. Shapes: T frames, C classes, of which 0 is the blank; V pronunciations
in a slot, S states of the longest: phoneme, blank, phoneme, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Pronunciations = Mapping[str, Sequence[Sequence[int]]]  # word -> its pronunciations, each of classes from 1 on
NEVER = -np.inf


def best_words(log_probs: np.ndarray, slots: Sequence[Pronunciations]) -> list[str]:
    """The best word of each slot for log-probabilities (T, C); [] where there are too few frames for a sentence."""
    frames, classes = log_probs.shape
    ends = np.full((frames + 1, classes), NEVER)  # [t, c]: best score of words that end before frame t with class c
    ends[:, 0] = np.concatenate([[0.0], np.cumsum(log_probs[:, 0])])
    backpointers = []
    for slot in slots:
        ends, backpointer = _advance(log_probs.astype(np.float64), slot, ends)
        backpointers.append(backpointer)
    frame, label = frames, int(ends[frames].argmax())
    if ends[frame, label] == NEVER:
        return []
    words = []
    for slot_words, variants, entry_frames, entry_labels in reversed(backpointers):
        words.append(slot_words[variants[frame, label]])
        frame, label = int(entry_frames[frame, label]), int(entry_labels[frame, label])
    return words[::-1]


def _advance(log_probs: np.ndarray, slot: Pronunciations, ends: np.ndarray):
    """`ends` after one more slot; and backpointers: the word of each pronunciation, and for each end (all (T + 1, C))
    its pronunciation, and the frame and class from which the word was entered."""
    words, paths, states = _slot_states(slot)
    count, size = paths.shape
    skips = np.ones((count, size), bool)  # whether a phoneme can follow the previous one without a blank
    skips[:, 2::2] = paths[:, 2::2] != paths[:, :-2:2]
    skips[:, 1::2] = False
    blank, last = states - 1, states - 2  # final blank of a word, and its last phoneme
    rows = np.arange(count)
    ending = np.arange(ends.shape[1])[:, None] == paths[rows, last]  # (C, V)
    new, (variants, entries, labels) = np.full_like(ends, NEVER), (np.zeros(ends.shape, int) for _ in range(3))
    score, since, after = np.full((count, size), NEVER), np.zeros((count, size), int), np.zeros((count, size), int)
    for frame, frame_log_probs in enumerate(log_probs):
        start, label = _entries(ends[frame], paths[:, 0])
        score, since, after = _step(score, since, after, skips, start, label, frame)
        score += frame_log_probs[paths]
        end_scores = np.where(ending, score[rows, last], NEVER)
        end_scores[0] = score[rows, blank]
        best = end_scores.argmax(1)
        state = np.where(np.arange(len(best)) > 0, last[best], blank[best])
        new[frame + 1], variants[frame + 1] = end_scores.max(1), best
        entries[frame + 1], labels[frame + 1] = since[best, state], after[best, state]
    return new, (words, variants, entries, labels)


def _slot_states(slot: Pronunciations) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The word of each pronunciation, its classes (V, S) with a blank after each phoneme, and its number of states."""
    variants = [(word, path) for word, paths in slot.items() for path in paths if len(path)]
    size = 2 * max(len(path) for _, path in variants)
    classes = np.zeros((len(variants), size), int)
    for row, (_, path) in enumerate(variants):
        classes[row, : 2 * len(path) : 2] = path
    return [word for word, _ in variants], classes, np.array([2 * len(path) for _, path in variants])


def _entries(ends: np.ndarray, firsts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each first phoneme (V,) the best score in ``ends`` (C,) with a different last class, and that class."""
    open_to = np.where(np.arange(len(ends)) == firsts[:, None], NEVER, ends)
    label = open_to.argmax(1)
    return open_to[np.arange(len(firsts)), label], label


def _step(score, since, after, skips, start, label, frame):
    """Best score of each state (V, S): stay, enter from the previous state, or skip a blank; the first state is entered
    from ``start``. Returned with the frame and the class from which its word was entered."""
    from_previous, from_skip = np.full_like(score, NEVER), np.full_like(score, NEVER)
    from_previous[:, 1:], from_previous[:, 0] = score[:, :-1], start
    from_skip[:, 2:] = np.where(skips[:, 2:], score[:, :-2], NEVER)
    candidates = np.stack([score, from_previous, from_skip])
    best = candidates.argmax(0)
    since, after = (
        np.take_along_axis(np.stack([values, _shift(values, 1, new), _shift(values, 2, new)]), best[None], 0)[0]
        for values, new in ((since, np.full(len(score), frame)), (after, label))
    )
    return np.take_along_axis(candidates, best[None], 0)[0], since, after


def _shift(values: np.ndarray, by: int, first: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(values)
    moved[:, by:] = values[:, :-by]
    if by == 1:
        moved[:, 0] = first
    return moved
