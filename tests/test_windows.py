"""Windows: spans cover every frame with the promised overlap, and merging gives back what was said."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.core.windows import window_spans
from vsr.inference.seams import keep_between, seams
from vsr.output.transcript import TimedWord

FPS = 25


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(10, 300), st.integers(0, 5))
def test_spans_cover_all_frames_in_equal_windows_that_overlap(num_frames, window, overlap):
    spans = window_spans(num_frames, window, overlap)
    assert spans[0][0] == 0 and spans[-1][1] == num_frames
    assert {stop - start for start, stop in spans} == {min(window, num_frames)}
    for (_, stop), (start, _) in zip(spans, spans[1:], strict=False):
        assert stop - start >= overlap


@st.composite
def speech(draw):
    """Words said one after another, each no longer than half the overlap."""
    clock, words = 0.0, []
    for text in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=120)):
        start = clock + draw(st.floats(0, 0.4))
        clock = start + draw(st.floats(0.08, 0.9))
        words.append(TimedWord(text, start, clock, 1.0))
    return words


@settings(deadline=None, max_examples=60)
@given(speech())
def test_merging_windows_of_a_known_speech_gives_it_back(words):
    num_frames = int(words[-1].end * FPS) + 1
    spans = [(start / FPS, stop / FPS) for start, stop in window_spans(num_frames)]
    # A window reads the words that it sees whole.
    readings = [[word for word in words if begin <= word.start and word.end <= end] for begin, end in spans]
    overlaps = [(right[0], left[1]) for left, right in zip(spans, spans[1:], strict=False)]
    borders = seams(readings, overlaps)
    merged = [
        word
        for reading, begin, end in zip(readings, borders, borders[1:], strict=False)
        for word in keep_between(reading, begin, end)
    ]
    assert merged == words


def test_a_word_seen_by_both_windows_at_slightly_different_times_is_said_once():
    left = [TimedWord("set", 9.0, 9.6, 1.0), TimedWord("red", 10.7, 11.0, 1.0)]
    right = [TimedWord("red", 10.9, 11.4, 1.0), TimedWord("now", 13.0, 13.4, 1.0)]
    borders = seams([left, right], [(10.0, 12.0)])
    merged = [*keep_between(left, *borders[:2]), *keep_between(right, *borders[1:])]
    assert [word.word for word in merged] == ["set", "red", "now"]
