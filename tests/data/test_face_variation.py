"""Face variation: the same change in all frames of a clip, only of the kinds that are set, none by default."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.data.face_variation import FaceVariation
from vsr.data.transforms import Augmentation, to_network_input

STILL = {"flip": 0.0, "speed": 0.0, "mask_frames": 0, "light": 0.0}
KINDS = {"shape": 3.0, "tone": 0.8, "light": 0.5, "blur": 2.0, "noise": 8.0}


def crop(frames=4):
    """One frame of smooth structure and fine texture, repeated."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    frame = 120 + 60 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 8, (96, 96))
    return np.repeat(frame.clip(0, 255).astype(np.uint8)[None], frames, 0)


def augmented(seed=0, **face):
    augmentation = Augmentation(**STILL, face=FaceVariation(**face))
    return to_network_input(crop(), augmentation, np.random.default_rng(seed))[:, 0]


def test_nothing_is_varied_by_default():
    assert torch.equal(augmented(), to_network_input(crop(), Augmentation(**STILL), np.random.default_rng(0))[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_the_clip_and_follows_the_seed(kind):
    varied = [augmented(seed, **{kind: KINDS[kind]}) for seed in range(4)]
    changes = [float((clip - augmented(seed)).abs().mean()) for seed, clip in enumerate(varied)]
    assert max(changes) > 0.05 and len(set(changes)) == 4 and varied[0].shape == (4, 88, 88)
    assert torch.equal(varied[2], augmented(2, **{kind: KINDS[kind]}))


@pytest.mark.parametrize("kind", ["shape", "tone", "light", "blur"])
def test_still_face_stays_still(kind):
    varied = augmented(**{kind: KINDS[kind]})
    assert torch.equal(varied, varied[:1].expand_as(varied))


def test_noise_differs_in_each_frame_and_is_limited():
    noise = (augmented(noise=8.0) - augmented()) * 0.165 * 255
    assert not torch.equal(noise[0], noise[1]) and 0 < noise.std() <= 8.0


def test_displacements_are_smooth():
    field = FaceVariation(shape=2.0).displacements(88, np.random.default_rng(1))
    assert field.shape == (2, 88, 88) and field.abs().max() > 1
    assert torch.diff(field, dim=1).abs().max() < 0.5 and torch.diff(field, dim=2).abs().max() < 0.5


@pytest.mark.parametrize("wrong", [{"shape": -1.0}, {"light": 1.0}, {"blur": float("nan")}])
def test_refuses_impossible_settings(wrong):
    with pytest.raises(VsrError, match=r"data\.augmentation\.face\."):
        FaceVariation(**wrong)
