"""Our augmentation agrees with torchvision's transforms.v2 where it has the same operation.

It stays ours: these are single lines of torch, and importing transforms.v2 costs each process (each run of
`vsr train`, each of its workers) as much time again as importing torch. What v2 lacks is shown below.
"""

import numpy as np
import pytest
import torch

from vsr.data.transforms import MEAN, STD, Augmentation, to_network_input, warped

v2 = pytest.importorskip("torchvision.transforms.v2.functional", reason="torchvision is not installed")
STILL = {"flip": 0.0, "speed": 0.0, "mask_frames": 0, "light": 0.0}


@pytest.fixture
def crop():
    return np.random.default_rng(0).integers(0, 256, (5, 96, 96), dtype=np.uint8)


def by_v2(crop, top, left, flip=False):
    """(T, 1, 88, 88) of v2's operations alone."""
    window = v2.crop(torch.from_numpy(crop)[:, None], top, left, 88, 88)
    window = v2.horizontal_flip(window) if flip else window
    return v2.normalize(v2.to_dtype(window, torch.float32, scale=True), [MEAN], [STD])


def test_window_of_inference_agrees_with_v2(crop):
    torch.testing.assert_close(to_network_input(crop), by_v2(crop, 4, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(v2.center_crop(torch.from_numpy(crop), [88, 88]).numpy(), crop[:, 4:92, 4:92])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_window_and_mirror_of_training_agree_with_v2(crop, flip, seed):
    top, left = np.random.default_rng(seed).integers(0, 9, 2)
    ours = to_network_input(crop, Augmentation(**(STILL | {"flip": float(flip)})), np.random.default_rng(seed))
    torch.testing.assert_close(ours, by_v2(crop, int(top), int(left), flip), atol=1e-6, rtol=0)


def test_v2_has_no_separate_zoom_of_width_and_height(crop):
    """A turn without a zoom agrees inside the frame; v2 has one scale, ours two."""
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(crop).float(), 9, 1, 4)
    from torchvision.transforms import InterpolationMode

    angle = np.random.default_rng(3).uniform(-10, 10)
    assert abs(angle) > 5
    ours = warped(smooth.numpy(), 4, 4, Augmentation(**STILL, turn=10.0), np.random.default_rng(3))
    turned = v2.affine(smooth[:, None], -angle, [0, 0], 1.0, [0.0, 0.0], InterpolationMode.BILINEAR)
    difference = (v2.crop(turned, 4, 4, 88, 88)[:, 0] - ours).abs()
    assert difference[:, 20:68, 20:68].max() < 0.1
    assert difference.max() > 1, "v2 fills the corners with one value, ours continues the border"
    with pytest.raises((TypeError, ValueError)):
        v2.affine(smooth[:, None], angle, [0, 0], [1.1, 0.9], [0.0, 0.0])


def test_contrast_of_v2_differs_from_ours():
    """v2 scales about each frame's mean and clips to the range; ours is linear, on normalised values."""
    dark = torch.full((1, 1, 8, 8), 0.1)
    assert torch.equal(v2.adjust_contrast(dark, 1.2), dark)
    assert not torch.equal((dark - MEAN) / STD * 1.2, (dark - MEAN) / STD)
