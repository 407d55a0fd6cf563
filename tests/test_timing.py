"""Errors of word times: only correct words count, each aligned with its own reference."""

from vsr.data.manifest import Clip
from vsr.evaluation.word_timing import time_errors

CLIP = Clip("a", "a.mp4", "bin blue at", words=(("bin", 0.1, 0.3), ("blue", 0.3, 0.6), ("at", 0.8, 0.9)))


def hypotheses(*words):
    """Hypotheses of clip a with these (word, start, end)."""
    return {"a": {"words": [{"word": word, "start": start, "end": end} for word, start, end in words]}}


def test_time_errors_of_correct_words():
    figures = time_errors([CLIP], hypotheses(("bin", 0.1, 0.34), ("blue", 0.34, 0.6), ("at", 0.8, 0.9)))
    assert figures == {"words": 3, "mean_ms": 13.3, "median_ms": 0.0}


def test_wrong_and_missing_words_do_not_count():
    figures = time_errors([CLIP], hypotheses(("bin", 0.0, 0.2), ("at", 0.9, 1.0)))
    assert figures == {"words": 2, "mean_ms": 100.0, "median_ms": 100.0}
    assert time_errors([CLIP], hypotheses(("red", 0.0, 0.2))) == {}


def test_words_without_times_have_no_figure():
    assert time_errors([CLIP], {}) == {} and time_errors([Clip("a", "a.mp4", "bin")], hypotheses(("bin", 0, 1))) == {}
