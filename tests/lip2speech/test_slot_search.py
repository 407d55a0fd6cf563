"""The best sentence of a slot grammar by CTC is that of going through all sentences and all paths."""

from itertools import product

import numpy as np
import pytest

from lip2speech.evaluation.slot_search import NEVER, best_words

SLOTS = [{"ab": [(1, 2)], "aa": [(1, 1)], "b": [(2,)]}, {"b": [(2,), (3,)], "cab": [(3, 1, 2)]}]


def collapsed(path):
    """What a CTC path says."""
    return tuple(now for before, now in zip((0, *path), path, strict=False) if now and now != before)


def by_all_paths(log_probs, slots):
    """(score, sentences of that score) by going through everything."""
    said = {}
    for words in product(*slots):
        for paths in product(*(slot[word] for slot, word in zip(slots, words, strict=True))):
            said.setdefault(sum(paths, ()), set()).add(words)
    best, found = NEVER, set()
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        score = log_probs[np.arange(len(path)), path].sum()
        if (words := said.get(collapsed(path))) and score > best:
            best, found = score, words
    return best, found


@pytest.mark.parametrize("frames", [2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_best_of_all_paths(frames, seed):
    scores = np.random.default_rng(seed).normal(0, 2, (frames, 4))
    log_probs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    best, found = by_all_paths(log_probs, SLOTS)
    words = tuple(best_words(log_probs, SLOTS))
    assert words in found if found else words == ()


def test_too_few_frames_hold_no_sentence():
    assert best_words(np.zeros((1, 4)), SLOTS) == [] and best_words(np.zeros((0, 4)), SLOTS) == []


def test_a_phoneme_twice_needs_a_blank_within_a_word_and_between_words():
    within, between = [{"aa": [(1, 1)], "ab": [(1, 2)]}], [{"a": [(1,)]}, {"a": [(1,)], "b": [(2,)]}]
    log_probs = np.log(np.array([[0.01, 0.8, 0.19], [0.01, 0.8, 0.19]]))
    assert best_words(log_probs, within) == ["ab"] and best_words(log_probs, between) == ["a", "b"]
    apart = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert best_words(apart, within) == ["aa"] and best_words(apart, between) == ["a", "a"]
