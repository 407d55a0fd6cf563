"""Voices on one wave: overlapping pieces of one face are heard once, other faces are added, nothing is lost."""

import numpy as np
import pytest

from lip2speech.inference.mixer import FADE, Mixer


def ones(length):
    return np.ones(length, np.float32)


def test_overlapping_pieces_of_a_face_are_heard_once():
    mixer = Mixer()
    mixer.add(0, 1000, ones(32_000))
    mixer.add(0, 25_000, ones(32_000))
    wave = mixer.mixed(60_000)
    assert len(wave) == 60_000 and mixer.num_voiced == 56_000 + FADE
    np.testing.assert_allclose(wave[1000:57_000], 1, atol=1e-5)
    assert not wave[:1000].any() and not wave[57_000:].any()


def test_second_piece_takes_over_in_the_middle_of_the_overlap():
    mixer = Mixer()
    mixer.add(3, 0, ones(10_000))
    mixer.add(3, 6000, -ones(10_000))
    wave = mixer.mixed(0)
    middle = 8000
    assert len(wave) == 16_000 and (wave[: middle - FADE] == 1).all() and (wave[middle + FADE :] == -1).all()
    assert (np.diff(wave) <= 0).all() and np.abs(np.diff(wave)).max() < 0.01


@pytest.mark.parametrize("shared", [1, 7, FADE - 1, 4000])
def test_short_overlaps_are_heard_once(shared):
    mixer = Mixer()
    mixer.add(0, 0, ones(4000))
    mixer.add(0, 4000 - shared, ones(5000))
    np.testing.assert_allclose(mixer.mixed(0), ones(9000 - shared), atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        ((9000, 4000), (6000, 9000), 15_000),  # the second starts before the first: its block saw no long rest
        ((9000, 9000), (12_000, 2000), 14_000),  # the second ends within the first: its block saw the lips rest
    ],
)
def test_blocks_that_differ_about_a_rest_are_heard_once(first, second, end):
    mixer = Mixer()
    for start, length in (first, second):
        mixer.add(0, start, ones(length))
    wave = mixer.mixed(20_000)
    np.testing.assert_allclose(wave[9000:end], 1, atol=1e-5)
    assert not wave[:9000].any() and not wave[end:].any()


def test_faces_are_added_and_pieces_after_a_pause_are_separate():
    mixer = Mixer()
    mixer.add(0, 0, ones(1000))
    mixer.add(1, 500, ones(1000))
    mixer.add(0, 2000, ones(500))
    wave = mixer.mixed(3000)
    assert wave[[0, 400, 600, 900, 1200, 1700, 2100, 2600]].tolist() == [1, 1, 2, 2, 1, 0, 1, 0]


def test_sound_before_the_video_is_cut():
    mixer = Mixer()
    mixer.add(0, -300, np.arange(1000, dtype=np.float32))
    assert mixer.mixed(800).tolist() == [*range(300, 1000), *[0.0] * 100]
