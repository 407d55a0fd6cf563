"""A reader's errors: counted by hand, drawn as often as counted, and of several readers together."""

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.decoding.error_patterns import AlikeWords, fitted_pattern, patterns_of
from vsr.text.confusions import counted_confusions


def test_errors_are_counted_by_kind():
    found = counted_confusions(
        [(["B", "L", "UW"], ["P", "L"]), (["R", "EH", "D"], ["R", "AH", "EH", "D"]), ([], ["B"])]
    )
    assert found.read_as["B"] == {"P": 1, "B": 1} and found.read_as["UW"] == {"": 1, "UW": 1}
    assert found.read_as["L"] == {"L": 1} and found.inserted == {"AH": 1} and found.places == 8


def test_noise_is_drawn_as_often_as_it_was_counted():
    pairs = [(["a", "b", "c", "d"], ["a", "x", "c", "d"]), (["a", "b", "c", "d"], ["a", "b", "c"])] * 5
    found = counted_confusions(pairs)
    rng, units = np.random.default_rng(0), list("abcd") * 500
    drawn = found.draw(units, rng)
    assert drawn.count("x") == pytest.approx(250, rel=0.2) and drawn.count("d") == pytest.approx(250, rel=0.2)
    assert drawn.count("a") == drawn.count("c") == 500
    assert found.draw(units, rng, 0.0) == units
    assert found.draw(["never"], rng) == ["never"]


def test_nothing_to_count_is_refused():
    for call in (lambda: counted_confusions([]), lambda: patterns_of([[]], [[[]]])):
        with pytest.raises(VsrError, match="references"):
            call()


def like(word):
    return [(word + "ish", 0.1), (word + "y", 0.2)]


def test_members_are_wrong_together_where_they_were():
    """Two of three members share a wrong word; the third is right; the last word is lacked by the first."""
    read = [["set", "blew"], ["set", "blew", "now"], ["set", "blue", "now"]]
    patterns = patterns_of([["set", "blue", "now"]], [[own] for own in read])
    for seed in range(20):
        one, two, three = patterns.draw(["lay", "red", "soon"], like, np.random.default_rng(seed))
        assert three == ["lay", "red", "soon"]
        assert one[0] == two[0] == "lay" and one[1] == two[1] and one[1] in ("redish", "redy")
        assert len(one) == 2 and two[2] == "soon"
    assert patterns.misread["blue"] == {"blew": 2}


def test_a_perfect_reader_has_no_errors_and_any_length_is_covered():
    patterns = patterns_of([["a", "b", "c"]], [[["a", "b", "c"]]])
    for count in (1, 2, 3, 7):
        words = [str(number) for number in range(count)]
        assert patterns.draw(words, like, np.random.default_rng(0)) == [words]
        assert [word for _, word in fitted_pattern(patterns.utterances[0], words)] == words


def test_alike_words_are_near_and_never_the_word_itself():
    pytest.importorskip("rapidfuzz")
    from collections import Counter

    alike = AlikeWords(
        Counter({"bat": 3, "mat": 2, "mud": 1, "elephant": 5}),
        lambda word: {"b": "p", "m": "p"}.get(word[0], word[0]) + word[1:],
    )
    found = alike("bat")
    assert (
        found[0] == ("mat", 0.0) and "bat" not in dict(found) and [v for _, v in found] == sorted(v for _, v in found)
    )
