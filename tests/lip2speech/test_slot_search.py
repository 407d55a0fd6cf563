"""The best sentence of a slot grammar by CTC agrees with enumeration of all sentences and paths."""

from itertools import product

import numpy as np
import pytest

from lip2speech.evaluation.slot_search import NEVER, best_words

SLOTS = [{"ab": [(1, 2)], "aa": [(1, 1)], "b": [(2,)]}, {"b": [(2,), (3,)], "cab": [(3, 1, 2)]}]


def collapsed(path):
    """The labels of a CTC path."""
    return tuple(now for before, now in zip((0, *path), path, strict=False) if now and now != before)


def by_all_paths(log_probs, slots):
    """(score, sentences of that score) by going through everything."""
    sentences_of = {}
    for sentence in product(*slots):
        for paths in product(*(slot[word] for slot, word in zip(slots, sentence, strict=True))):
            sentences_of.setdefault(sum(paths, ()), set()).add(sentence)
    best, best_sentences = NEVER, set()
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        score = log_probs[np.arange(len(path)), path].sum()
        if (sentence := sentences_of.get(collapsed(path))) and score > best:
            best, best_sentences = score, sentence
    return best, best_sentences


@pytest.mark.parametrize("frames", [2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(8))
def test_search_finds_the_best_of_all_paths(frames, seed):
    scores = np.random.default_rng(seed).normal(0, 2, (frames, 4))
    log_probs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    best, best_sentences = by_all_paths(log_probs, SLOTS)
    words = tuple(best_words(log_probs, SLOTS))
    assert words in best_sentences if best_sentences else words == ()


def test_too_few_frames_give_no_sentence():
    assert best_words(np.zeros((1, 4)), SLOTS) == [] and best_words(np.zeros((0, 4)), SLOTS) == []


def test_repeated_phoneme_needs_a_blank_within_and_between_words():
    in_word, across_words = [{"aa": [(1, 1)], "ab": [(1, 2)]}], [{"a": [(1,)]}, {"a": [(1,)], "b": [(2,)]}]
    log_probs = np.log(np.array([[0.01, 0.8, 0.19], [0.01, 0.8, 0.19]]))
    assert best_words(log_probs, in_word) == ["ab"] and best_words(log_probs, across_words) == ["a", "b"]
    with_blank = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert best_words(with_blank, in_word) == ["aa"] and best_words(with_blank, across_words) == ["a", "a"]
