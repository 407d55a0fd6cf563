"""Voices on one wave: what two pieces of one face share is heard once, other faces are added, nothing is lost."""

import numpy as np
import pytest

from lip2speech.inference.mixer import FADE, Mixer


def ones(length):
    return np.ones(length, np.float32)


def test_a_face_that_goes_on_is_heard_once():
    mixer = Mixer()
    mixer.add(0, 1000, ones(32_000))
    mixer.add(0, 25_000, ones(32_000))
    whole = mixer.mixed(60_000)
    assert len(whole) == 60_000 and mixer.num_voiced == 56_000 + FADE
    np.testing.assert_allclose(whole[1000:57_000], 1, atol=1e-5)
    assert not whole[:1000].any() and not whole[57_000:].any()


def test_the_second_takes_over_in_the_middle_of_what_both_have():
    mixer = Mixer()
    mixer.add(3, 0, ones(10_000))
    mixer.add(3, 6000, -ones(10_000))
    whole = mixer.mixed(0)
    middle = 8000
    assert len(whole) == 16_000 and (whole[: middle - FADE] == 1).all() and (whole[middle + FADE :] == -1).all()
    assert (np.diff(whole) <= 0).all() and np.abs(np.diff(whole)).max() < 0.01


@pytest.mark.parametrize("shared", [1, 7, FADE - 1, 4000])
def test_however_little_they_share(shared):
    mixer = Mixer()
    mixer.add(0, 0, ones(4000))
    mixer.add(0, 4000 - shared, ones(5000))
    np.testing.assert_allclose(mixer.mixed(0), ones(9000 - shared), atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        ((9000, 4000), (6000, 9000), 15_000),  # the second goes back to before the first: its block saw no long rest
        ((9000, 9000), (12_000, 2000), 14_000),  # the second ends within the first: its block saw the lips rest
    ],
)
def test_blocks_that_differ_about_a_rest_are_heard_once(first, second, end):
    mixer = Mixer()
    for at, length in (first, second):
        mixer.add(0, at, ones(length))
    whole = mixer.mixed(20_000)
    np.testing.assert_allclose(whole[9000:end], 1, atol=1e-5)
    assert not whole[:9000].any() and not whole[end:].any()


def test_faces_at_once_are_added_and_a_pause_parts_a_face_from_itself():
    mixer = Mixer()
    mixer.add(0, 0, ones(1000))
    mixer.add(1, 500, ones(1000))
    mixer.add(0, 2000, ones(500))
    whole = mixer.mixed(3000)
    assert whole[[0, 400, 600, 900, 1200, 1700, 2100, 2600]].tolist() == [1, 1, 2, 2, 1, 0, 1, 0]


def test_what_begins_before_the_video_is_cut():
    mixer = Mixer()
    mixer.add(0, -300, np.arange(1000, dtype=np.float32))
    assert mixer.mixed(800).tolist() == [*range(300, 1000), *[0.0] * 100]
