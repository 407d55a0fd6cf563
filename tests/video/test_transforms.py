"""The augmentation of mouth crops: nothing without it, and the documented changes with it."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.data.transforms import MEAN, STD, Augmentation, to_network_input, warped

STILL = {"flip": 0.0, "speed": 0.0, "mask_frames": 0, "light": 0.0}


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    """Four gray frames with a bright bar below the centre, which neither a mirror nor a turn maps to itself."""
    crop = np.full((4, 96, 96), 90, np.uint8)
    crop[:, 60:66, 20:70] = 220
    return crop


def generator(seed: int) -> np.random.Generator:
    """A generator of the augmentation."""
    return np.random.default_rng(seed)


def bright_pixels(video: torch.Tensor) -> np.ndarray:
    """(rows, columns) of the bright pixels of the first frame."""
    return np.argwhere((video[0, 0] * STD + MEAN).numpy() > 0.6)


def test_without_turn_and_zoom_it_is_the_plain_window(crop):
    rows = [slice(3, 91), slice(5, 93)]
    plain = torch.from_numpy(crop[:, rows[0], rows[1]].copy()).float()
    assert torch.allclose(warped(crop, 3, 5, Augmentation(turn=0.0, zoom=0.0), generator(0)), plain, atol=0.01)


def test_settings_that_are_off_draw_no_random_numbers(crop):
    """A seed gives the same clips as before there were such settings."""
    first, second = (to_network_input(crop, Augmentation(**settings), generator(1)) for settings in ({}, {"turn": 0.0}))
    assert torch.equal(first, second)


def test_turn_keeps_the_size_and_zoom_the_direction(crop):
    plain = bright_pixels(to_network_input(crop, Augmentation(**STILL), generator(2)))
    for seed in range(2, 8):
        turned = bright_pixels(to_network_input(crop, Augmentation(**STILL, turn=15.0), generator(seed)))
        assert len(turned) == pytest.approx(len(plain), rel=0.12)
        zoomed = (
            np.ptp(bright_pixels(to_network_input(crop, Augmentation(**STILL, zoom=0.2), generator(seed))), axis=0) + 1
        )
        assert (np.abs(zoomed / (np.ptp(plain, axis=0) + 1) - 1) <= 0.2 + 1 / 6).all()


def test_all_frames_of_a_clip_are_varied_alike(crop):
    video = to_network_input(crop, Augmentation(**STILL, turn=10.0, zoom=0.2), generator(3))
    assert video.shape == (4, 1, 88, 88) and torch.equal(video[0], video[3])
    assert not torch.equal(video, to_network_input(crop, Augmentation(**STILL, turn=10.0, zoom=0.2), generator(4)))


@pytest.mark.parametrize("wrong", [{"zoom": 1.0}, {"speed": 1.5}, {"turn": -1.0}, {"mask_frames": -2}])
def test_refuses_impossible_settings(wrong):
    with pytest.raises(VsrError, match="data.augmentation"):
        Augmentation(**wrong)
