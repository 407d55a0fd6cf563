"""Cutting at pauses, whatever the word times: every word once, no piece too long, cuts in the middle of pauses."""

import random

import pytest

from vsr.corpora.pauses import cut_at_pauses


def test_cut_is_in_the_longest_pause_of_the_second_half():
    words = [(f"w{i}", i * 0.5, i * 0.5 + 0.45) for i in range(40)]
    words = words[:25] + [(w, a + 1.0, b + 1.0) for w, a, b in words[25:]]  # a pause of 1.05 s after 12.45 s
    first, second = cut_at_pauses(words, 16)
    assert [len(first.words), len(second.words)] == [25, 15]
    assert (first.start, first.end, second.start) == (0.0, 12.96, 13.0)  # half a second is kept on each side
    assert second.words[0] == ("w25", 0.5, 0.95)  # times count from the piece's start
    assert first.text.startswith("w0 w1 w2")


def test_words_that_fit_are_one_piece():
    assert len(cut_at_pauses([("a", 1.0, 2.0), ("b", 15.0, 16.0)], 16)) == 1
    assert cut_at_pauses([], 16) == []


def test_word_that_is_too_long_is_left_out():
    pieces = cut_at_pauses([("a", 0.0, 1.0), ("stuck", 1.0, 40.0), ("b", 40.0, 41.0)], 16)
    assert [piece.text for piece in pieces] == ["a", "b"]


@pytest.mark.parametrize("seed", range(20))
def test_properties_hold_for_any_word_times(seed):
    rng = random.Random(seed)
    words, clock = [], rng.random()
    for i in range(rng.randint(1, 300)):
        end = clock + rng.uniform(0.05, 0.8)
        words.append((f"w{i}", round(clock, 2), round(end, 2)))
        clock = end + rng.choice((0.0, 0.0, 0.1, 0.6, 3.0))
    limit = rng.choice((4.0, 16.0))
    pieces = cut_at_pauses(words, limit)
    assert [w for piece in pieces for w, _, _ in piece.words] == [w for w, _, _ in words]
    for before, piece in zip([None, *pieces], pieces, strict=False):
        assert 0 < piece.end - piece.start <= limit + 1e-6
        assert round(piece.start * 25, 6) % 1 == 0 and round(piece.end * 25, 6) % 1 == 0
        assert all(-0.021 <= a <= b <= piece.end - piece.start + 0.021 for _, a, b in piece.words)
        assert before is None or piece.start >= before.end
