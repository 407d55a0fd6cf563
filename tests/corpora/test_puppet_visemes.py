"""The mouth of the puppet: what every speaker's lips do, for any sequence of sounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.corpora.puppet.speech import Span
from vsr.corpora.puppet.visemes import _TARGETS, CLOSED, PARAMETERS, TUCKED, VOWELS, mouth_track, phoneme_parts

COLUMN = {name: i for i, name in enumerate(PARAMETERS)}


def spans(labels, length=0.1, start=0.4):
    return tuple(Span(x, start + i * length, start + (i + 1) * length) for i, x in enumerate(labels))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(set(_TARGETS) - {""})), min_size=1, max_size=20), st.floats(0.04, 0.2))
def test_track_stays_between_the_targets(labels, length):
    track = mouth_track(spans(labels, length), 120)
    table = np.array(list(_TARGETS.values()))
    assert track.shape == (120, len(PARAMETERS))
    assert (track >= table.min(axis=0) - 1e-9).all() and (track <= table.max(axis=0) + 1e-9).all()


@pytest.mark.parametrize("sound", sorted(CLOSED))
@pytest.mark.parametrize("vowel", sorted(VOWELS))
def test_lips_close_between_any_two_vowels(sound, vowel):
    track = mouth_track(spans([vowel, sound, vowel], 0.12), 40)
    opening = track[:, COLUMN["open"]]
    assert opening[12:19].min() < 0.02  # the sound has frames 13 to 16; its closure may come before
    assert opening[:12].max() > 0.08 and opening[18:].max() > 0.08


@pytest.mark.parametrize("sound", sorted(TUCKED))
def test_lower_lip_is_under_the_teeth_in_f_and_v(sound):
    assert mouth_track(spans(["a", sound, "a"]), 40)[:, COLUMN["tuck"]].max() > 0.75


def test_vowels_differ_as_on_a_face():
    ah, ee, oo = (mouth_track(spans([v], 0.4), 40)[14] for v in "ɑiu")
    assert ah[COLUMN["jaw"]] > 2 * max(ee[COLUMN["jaw"]], oo[COLUMN["jaw"]])
    assert ee[COLUMN["width"]] > ah[COLUMN["width"]] > oo[COLUMN["width"]]
    assert oo[COLUMN["round"]] > 0.7


def test_mouth_rests_before_and_after_speech_and_without_any():
    track = mouth_track(spans(["a", "l", "a"]), 60)
    assert np.abs(track[[0, -1]]).max() < 0.02
    assert not mouth_track((), 10).any()


def test_labels_lose_their_marks_and_diphthongs_have_two_parts():
    assert phoneme_parts("iː") == ["i"]
    assert phoneme_parts("aɪ") == ["a", "ɪ"]
    assert phoneme_parts("tʃ") == ["tʃ"]
    assert phoneme_parts("?") == []
