"""Crops with another speaker's lip movement: points are moved, the rest of the face stays."""

import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest

from vsr.data.manifest import Clip
from vsr.data.mouth_track import Track
from vsr.face.mouth_features import measures_of, write_track
from vsr.face.mouth_points import POINTS

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "egs" / "grid" / "vsr" / "local" / "warp_to_speaker.py"))
LIPS = np.array([(28, 48), (68, 48), (48, 44), (48, 54), (48, 90), (56, 45), (40, 45), (56, 53), (40, 53)], float)


def mouth(frames, opening, scale=1.0):
    """Mouth points (T, 14, 2) of a face whose lower lip moves by ``opening`` (T,)."""
    helpers = [(48, 40), (48, 58), (48, -60), (31, 0), (66, 0)]
    points = np.tile(np.concatenate([LIPS, helpers]), (frames, 1, 1)) * scale
    points[:, [3, 7, 8], 1] += np.asarray(opening)[:, None] * scale
    assert points.shape == (frames, len(POINTS), 2)
    return points


@pytest.fixture
def clips_of_two_speakers(tmp_path):
    """A clip of s1 and one of s7, who opens the mouth wider, both of the same two words."""
    clips = []
    for speaker, most, scale in (("s1", 2.0, 1.0), ("s7", 8.0, 0.5)):
        opening = most * np.sin(np.linspace(0, np.pi, 25)) ** 2
        write_track(tmp_path / f"{speaker}.npz", *measures_of(mouth(25, opening, scale)))
        np.save(tmp_path / f"{speaker}.npy", np.random.default_rng(0).integers(0, 256, (25, 96, 96)).astype(np.uint8))
        words = (("bin", 0.0, 0.48), ("blue", 0.48, 1.0))
        files = {"crop": str(tmp_path / f"{speaker}.npy"), "track": str(tmp_path / f"{speaker}.npz")}
        clips.append(Clip(speaker, "a.mp4", "bin blue", speaker, num_frames=25, words=words, **files))
    return clips


def test_points_are_moved_and_nose_and_border_stay():
    image = np.full((96, 96), 40, np.uint8)
    cv2.circle(image, (48, 54), 2, 255, -1)
    cv2.circle(image, (48, 22), 2, 255, -1)
    moved = LIPS.copy()
    moved[[3, 7, 8], 1] += 6
    warped_image = SCRIPT["warp_image"](image, LIPS, moved)
    rows = np.flatnonzero(warped_image[30:80, 48] > 150) + 30
    assert abs(rows.mean() - 60) < 1.5
    assert np.abs(warped_image[18:26, 44:52].astype(int) - image[18:26, 44:52]).max() < 60
    assert (warped_image[[0, -1]] == 40).all()
    assert np.abs(SCRIPT["warp_image"](image, LIPS, LIPS).astype(int) - image).max() <= 1


def test_movement_is_stretched_from_first_to_last_frame():
    movement = np.arange(4.0)[:, None, None] * np.ones((1, 9, 2))
    stretch = SCRIPT["stretch"](movement, 7)
    assert stretch[:, 0, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]


def test_lips_open_as_wide_as_the_other_speakers(clips_of_two_speakers):
    clip, other_clip = clips_of_two_speakers
    others = SCRIPT["OtherSpeakers"]([clip, other_clip], without=["s1"])
    assert others.speakers == ["s7"]
    track = Track(*(np.asarray(part) for part in np.load(clip.track).values()))
    moved = SCRIPT["movement"](clip, track, others, np.random.default_rng(0))
    lower, upper = moved[:, 3, 1], moved[:, 2, 1]
    assert lower[12] - lower[0] > 0.05 and abs(upper[12] - upper[0]) < 0.05  # in mouth widths
    nobody = SCRIPT["OtherSpeakers"]([other_clip], without=["s7"])
    nobody.speakers = ["s8"]
    assert not SCRIPT["movement"](clip, track, nobody, np.random.default_rng(0)).any()


def test_scale_of_the_crop_follows_from_the_eyes(clips_of_two_speakers):
    """Faces of half the size in the frame have mouths of equal width in the crop."""
    first, second = (Track(*np.load(clip.track).values()) for clip in clips_of_two_speakers)
    assert SCRIPT["on_crop"](first)[1] == pytest.approx(SCRIPT["on_crop"](second)[1], rel=0.05)


def test_crops_keep_their_length_and_follow_the_seed(clips_of_two_speakers):
    clip, other_clip = clips_of_two_speakers
    others = SCRIPT["OtherSpeakers"]([other_clip], without=[])
    first, second, third = (SCRIPT["warp_to_speaker"](clip, others, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (25, 96, 96) and first.dtype == np.uint8
    assert (first == second).all() and (first != third).any() and (first != np.load(clip.crop)).any()
