"""Cuts are found to the frame; movement, flashes and still images are no cuts."""

import numpy as np
import pytest

from vsr.face.shots import shots


@pytest.fixture(scope="module")
def scenes():
    """Three photographs (180, 320, 3)."""
    from skimage import data
    from skimage.transform import resize

    images = (data.astronaut(), data.coffee(), data.chelsea())
    return [(resize(image, (180, 320)) * 255).astype(np.uint8) for image in images]


def shaky(image, count, seed=0):
    """The image as from a hand-held camera: it wanders by a few pixels and its light changes a little."""
    rng = np.random.default_rng(seed)
    shifts = np.cumsum(rng.integers(-2, 3, (count, 2)), axis=0)
    light = 1 + 0.03 * np.sin(np.arange(count) / 3)
    return [np.clip(np.roll(image, step, (0, 1)) * level, 0, 255).astype(np.uint8)
            for step, level in zip(shifts, light, strict=True)]  # fmt: skip


def cuts(frames):
    return [index for index, (_, begins) in enumerate(shots(frames)) if begins]


def test_cuts_are_found_to_the_frame(scenes):
    frames = shaky(scenes[0], 30) + shaky(scenes[1], 7) + shaky(scenes[2], 40) + shaky(scenes[0], 20)
    assert cuts(frames) == [0, 30, 37, 77]


def test_frames_come_in_order_with_a_delay_of_at_most_a_second(scenes):
    taken = []
    frames = shaky(scenes[0], 40) + shaky(scenes[1], 40)
    results = shots(taken.append(frame) or frame for frame in frames)
    for index, (frame, _) in enumerate(results):
        assert frame is frames[index] and len(taken) - index <= 27


def test_moving_camera_is_no_cut(scenes):
    wide = np.concatenate(scenes, axis=1)
    assert cuts([wide[:, 6 * step : 6 * step + 320] for step in range(100)]) == [0]


def test_flash_and_short_blank_are_no_cuts(scenes):
    frames = shaky(scenes[0], 50)
    frames[20] = np.full_like(frames[20], 250)
    frames[33:37] = [np.zeros_like(frames[0])] * 4
    assert cuts(frames) == [0]


@pytest.mark.parametrize("empty", [0, 255])
@pytest.mark.parametrize("blanks", [4, 30])
def test_shot_begins_after_a_fade_through_black_or_white(scenes, empty, blanks):
    level = np.linspace(1, 0, 21)[1:-1, None, None, None]
    out, into = np.stack(shaky(scenes[0], 19)) * level, np.stack(shaky(scenes[1], 19)) * level[::-1]
    out, into = out + empty * (1 - level), into + empty * (1 - level[::-1])
    faded = [np.full_like(scenes[0], empty)] * blanks
    frames = [*shaky(scenes[0], 30), *out.astype(np.uint8), *faded, *into.astype(np.uint8), *shaky(scenes[1], 30)]
    begins = cuts([frame.copy() for frame in frames])
    assert 49 + blanks in begins and set(begins) <= {0, 49, 49 + blanks}


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_low_frame_rate_gives_no_false_cuts(scenes, repeats):
    frames = [frame for frame in shaky(scenes[0], 15) + shaky(scenes[1], 15) for _ in range(repeats)]
    assert cuts(frames) == [0, 15 * repeats]


def test_still_image_is_one_shot(scenes):
    assert cuts([scenes[0]] * 80) == [0]
    assert cuts([scenes[0]]) == [0]
    assert cuts([]) == []
