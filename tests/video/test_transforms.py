"""The augmentation of mouth crops: nothing without it, and what it says with it."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.data.transforms import MEAN, STD, Augmentation, to_network_input, warped

STILL = {"flip": 0.0, "speed": 0.0, "mask_frames": 0, "light": 0.0}


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    """Four grey frames with a bright bar below the centre, which neither mirrors nor turns onto itself."""
    crop = np.full((4, 96, 96), 90, np.uint8)
    crop[:, 60:66, 20:70] = 220
    return crop


def drawn(seed: int) -> np.random.Generator:
    """A generator of the augmentation."""
    return np.random.default_rng(seed)


def bar(video: torch.Tensor) -> np.ndarray:
    """(rows, columns) of the bright pixels of the first frame."""
    return np.argwhere((video[0, 0] * STD + MEAN).numpy() > 0.6)


def test_no_turn_and_no_zoom_is_the_plain_window(crop):
    rows = [slice(3, 91), slice(5, 93)]
    plain = torch.from_numpy(crop[:, rows[0], rows[1]].copy()).float()
    assert torch.allclose(warped(crop, 3, 5, Augmentation(turn=0.0, zoom=0.0), drawn(0)), plain, atol=0.01)


def test_the_settings_that_are_off_draw_nothing(crop):
    """So a seed gives the clips that it gave before there were such settings."""
    first, second = (to_network_input(crop, Augmentation(**more), drawn(1)) for more in ({}, {"turn": 0.0}))
    assert torch.equal(first, second)


def test_a_turn_keeps_the_size_and_a_zoom_the_direction(crop):
    plain = bar(to_network_input(crop, Augmentation(**STILL), drawn(2)))
    for seed in range(2, 8):
        turned = bar(to_network_input(crop, Augmentation(**STILL, turn=15.0), drawn(seed)))
        assert len(turned) == pytest.approx(len(plain), rel=0.12)
        zoomed = np.ptp(bar(to_network_input(crop, Augmentation(**STILL, zoom=0.2), drawn(seed))), axis=0) + 1
        assert (np.abs(zoomed / (np.ptp(plain, axis=0) + 1) - 1) <= 0.2 + 1 / 6).all()


def test_all_frames_of_a_clip_are_varied_alike(crop):
    video = to_network_input(crop, Augmentation(**STILL, turn=10.0, zoom=0.2), drawn(3))
    assert video.shape == (4, 1, 88, 88) and torch.equal(video[0], video[3])
    assert not torch.equal(video, to_network_input(crop, Augmentation(**STILL, turn=10.0, zoom=0.2), drawn(4)))


@pytest.mark.parametrize("wrong", [{"zoom": 1.0}, {"speed": 1.5}, {"turn": -1.0}, {"mask_frames": -2}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(VsrError, match="data.augmentation"):
        Augmentation(**wrong)
