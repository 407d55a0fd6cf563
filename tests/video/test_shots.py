"""Cuts are found to the frame; what only moves, flashes or stands is none."""

import numpy as np
import pytest

from vsr.face.shots import shots


@pytest.fixture(scope="module")
def scenes():
    """Three photographs (180, 320, 3)."""
    from skimage import data
    from skimage.transform import resize

    found = (data.astronaut(), data.coffee(), data.chelsea())
    return [(resize(image, (180, 320)) * 255).astype(np.uint8) for image in found]


def shaky(image, count, seed=0):
    """The frame as a hand holds the camera: it wanders by a few pixels and its light changes a little."""
    dice = np.random.default_rng(seed)
    way = np.cumsum(dice.integers(-2, 3, (count, 2)), axis=0)
    light = 1 + 0.03 * np.sin(np.arange(count) / 3)
    return [np.clip(np.roll(image, step, (0, 1)) * level, 0, 255).astype(np.uint8)
            for step, level in zip(way, light, strict=True)]  # fmt: skip


def cuts(frames):
    return [index for index, (_, begins) in enumerate(shots(frames)) if begins]


def test_cuts_are_found_to_the_frame(scenes):
    frames = shaky(scenes[0], 30) + shaky(scenes[1], 7) + shaky(scenes[2], 40) + shaky(scenes[0], 20)
    assert cuts(frames) == [0, 30, 37, 77]


def test_frames_come_back_in_order_and_no_more_than_a_second_late(scenes):
    taken = []
    frames = shaky(scenes[0], 40) + shaky(scenes[1], 40)
    given = shots(taken.append(frame) or frame for frame in frames)
    for index, (frame, _) in enumerate(given):
        assert frame is frames[index] and len(taken) - index <= 27


def test_a_moving_camera_is_no_cut(scenes):
    wide = np.concatenate(scenes, axis=1)
    assert cuts([wide[:, 6 * step : 6 * step + 320] for step in range(100)]) == [0]


def test_a_flash_and_a_short_blank_are_no_cuts(scenes):
    frames = shaky(scenes[0], 50)
    frames[20] = np.full_like(frames[20], 250)
    frames[33:37] = [np.zeros_like(frames[0])] * 4
    assert cuts(frames) == [0]


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_a_low_frame_rate_is_no_row_of_cuts(scenes, repeats):
    frames = [frame for frame in shaky(scenes[0], 15) + shaky(scenes[1], 15) for _ in range(repeats)]
    assert cuts(frames) == [0, 15 * repeats]


def test_a_still_frame_is_one_shot(scenes):
    assert cuts([scenes[0]] * 80) == [0]
    assert cuts([scenes[0]]) == [0]
    assert cuts([]) == []
