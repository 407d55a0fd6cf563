"""Errors of word times: only words that were read right count, each in its own place."""

from vsr.data.manifest import Clip
from vsr.evaluation.word_timing import time_errors

CLIP = Clip("a", "a.mp4", "bin blue at", words=(("bin", 0.1, 0.3), ("blue", 0.3, 0.6), ("at", 0.8, 0.9)))


def read(*words):
    return {"a": {"words": [{"word": word, "start": start, "end": end} for word, start, end in words]}}


def test_errors_of_right_words():
    found = time_errors([CLIP], read(("bin", 0.1, 0.34), ("blue", 0.34, 0.6), ("at", 0.8, 0.9)))
    assert found == {"words": 3, "mean_ms": 13.3, "median_ms": 0.0}


def test_wrong_and_missing_words_do_not_count():
    found = time_errors([CLIP], read(("bin", 0.0, 0.2), ("at", 0.9, 1.0)))
    assert found == {"words": 2, "mean_ms": 100.0, "median_ms": 100.0}
    assert time_errors([CLIP], read(("red", 0.0, 0.2))) == {}


def test_without_times_there_is_no_figure():
    assert time_errors([CLIP], {}) == {} and time_errors([Clip("a", "a.mp4", "bin")], read(("bin", 0, 1))) == {}
