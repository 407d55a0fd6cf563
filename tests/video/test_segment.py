"""Lips at rest are distinguished from speaking lips; long speech is cut at pauses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.face.visual_vad import LONG_REST, MARGIN, REST, SLACK, activity, spans_of, speech_and_rest

FACE = np.random.default_rng(0).uniform(-1, 1, (37, 2))
FACE[5:11] += (-20, -20)
FACE[11:17] += (20, -20)
FACE[17:37] += (0, 20)


def talking(opening):
    """Points (T, 37, 2) of a head that turns, approaches and shakes, its lips open by `opening` (T,) pixels."""
    points = np.repeat(FACE[None], len(opening), axis=0)
    points[:, 17 + 14, 1] -= opening / 2
    points[:, 17 + 18, 1] += opening / 2
    t = np.arange(len(opening))
    angle, scale = 0.1 * np.sin(t / 10), 1.5 + 0.5 * np.sin(t / 30)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, 2, 2)
    return (scale[:, None, None] * points @ turn.transpose(0, 2, 1) + 100 + t[:, None, None]).astype(np.float32)


def test_moving_head_with_lips_at_rest_does_not_speak():
    resting = activity(talking(np.zeros(100)))
    assert resting.max() < REST / 4
    assert activity(talking(4 + 4 * np.sin(np.arange(100) / 1.5))).min() > 3 * REST


def test_only_long_rests_are_skipped_and_speech_keeps_a_margin():
    active = np.full(400, 0.05)
    active[:70], active[150:170], active[250:330] = 0, 0, 0
    speech, rests = speech_and_rest(active)
    assert rests == [(0, 70 - MARGIN), (250 + MARGIN, 330 - MARGIN)]
    assert speech == [(60, 260), (320, 400)]
    settling = np.zeros(90)
    settling[:13] = 0.04
    assert speech_and_rest(settling) == ([], [(0, 90)])
    settling[13:25] = 0.04
    assert speech_and_rest(settling) == ([(0, 35)], [(35, 90)])
    assert speech_and_rest(np.full(90, 0.05)) == ([(0, 90)], [])
    assert speech_and_rest(np.zeros(90)) == ([], [(0, 90)])
    assert speech_and_rest(np.zeros(LONG_REST - 1)) == ([(0, LONG_REST - 1)], [])


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 2000), st.integers(25, 300), st.integers(0, 2**32 - 1))
def test_spans_cover_all_speech_and_have_bounded_length(count, window, seed):
    rng = np.random.default_rng(seed)
    active = np.abs(np.convolve(rng.normal(size=count + 20), np.ones(21), mode="valid")) / 50
    spans = spans_of(active, 0, count, window)
    assert spans[0][0] == 0 and spans[-1][1] == count
    for (start, stop), (after, _) in zip(spans, spans[1:], strict=False):
        assert start < after <= stop
    assert all(0 < stop - start <= SLACK * window for start, stop in spans)


def test_cuts_lie_in_pauses():
    active = np.full(500, 0.06)
    pauses = (90, 180, 260, 330, 420)
    for pause in pauses:
        active[pause - 6 : pause + 7] = 0.02
    spans = spans_of(active, 0, 500, 100)
    borders = [stop for _, stop in spans[:-1]]
    assert all(min(abs(border - pause) for pause in pauses) <= 6 for border in borders)
    assert all(stop == after for (_, stop), (after, _) in zip(spans, spans[1:], strict=False))
