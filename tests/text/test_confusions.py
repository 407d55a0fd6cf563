"""A reader's errors: counted by hand, drawn as often as counted, and errors of several readers together."""

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.decoding.error_patterns import AlikeWords, fitted_pattern, patterns_of
from vsr.text.confusions import counted_confusions


def test_errors_are_counted_by_kind():
    confusions = counted_confusions(
        [(["B", "L", "UW"], ["P", "L"]), (["R", "EH", "D"], ["R", "AH", "EH", "D"]), ([], ["B"])]
    )
    assert confusions.read_as["B"] == {"P": 1, "B": 1} and confusions.read_as["UW"] == {"": 1, "UW": 1}
    assert confusions.read_as["L"] == {"L": 1} and confusions.inserted == {"AH": 1} and confusions.places == 8


def test_noise_is_drawn_as_often_as_counted():
    pairs = [(["a", "b", "c", "d"], ["a", "x", "c", "d"]), (["a", "b", "c", "d"], ["a", "b", "c"])] * 5
    confusions = counted_confusions(pairs)
    rng, units = np.random.default_rng(0), list("abcd") * 500
    drawn = confusions.draw(units, rng)
    assert drawn.count("x") == pytest.approx(250, rel=0.2) and drawn.count("d") == pytest.approx(250, rel=0.2)
    assert drawn.count("a") == drawn.count("c") == 500
    assert confusions.draw(units, rng, 0.0) == units
    assert confusions.draw(["never"], rng) == ["never"]


def test_empty_references_are_refused():
    for call in (lambda: counted_confusions([]), lambda: patterns_of([[]], [[[]]])):
        with pytest.raises(VsrError, match="references"):
            call()


def like(word):
    return [(word + "ish", 0.1), (word + "y", 0.2)]


def test_members_are_wrong_together_where_they_were():
    """Two of three members share a wrong word; the third is right; the first lacks the last word."""
    readings = [["set", "blew"], ["set", "blew", "now"], ["set", "blue", "now"]]
    patterns = patterns_of([["set", "blue", "now"]], [[words] for words in readings])
    for seed in range(20):
        first, second, third = patterns.draw(["lay", "red", "soon"], like, np.random.default_rng(seed))
        assert third == ["lay", "red", "soon"]
        assert first[0] == second[0] == "lay" and first[1] == second[1] and first[1] in ("redish", "redy")
        assert len(first) == 2 and second[2] == "soon"
    assert patterns.misread["blue"] == {"blew": 2}


def test_perfect_reader_has_no_errors_and_any_length_is_covered():
    patterns = patterns_of([["a", "b", "c"]], [[["a", "b", "c"]]])
    for count in (1, 2, 3, 7):
        words = [str(number) for number in range(count)]
        assert patterns.draw(words, like, np.random.default_rng(0)) == [words]
        assert [word for _, word in fitted_pattern(patterns.utterances[0], words)] == words


def test_similar_words_are_near_and_never_the_word_itself():
    pytest.importorskip("rapidfuzz")
    from collections import Counter

    alike = AlikeWords(
        Counter({"bat": 3, "mat": 2, "mud": 1, "elephant": 5}),
        lambda word: {"b": "p", "m": "p"}.get(word[0], word[0]) + word[1:],
    )
    neighbours = alike("bat")
    assert (
        neighbours[0] == ("mat", 0.0)
        and "bat" not in dict(neighbours)
        and [v for _, v in neighbours] == sorted(v for _, v in neighbours)
    )
