"""The yaw of a head is measured, and a model of frontal mouth tracks is not given a face turned away."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vsr.decoding.encoding import turned_away, usable_mouth_points
from vsr.face.head_turn import FACE, is_turned, yaw
from vsr.face.requested_points import RequestedPoints
from vsr.modelstore.folder import load_model


def face_points(degrees, roll=0.0, nod=0.0, size=80.0, frames=1):
    """(frames, 37, 2) pixels of the mean face, turned, then nodding, then rolled in the image."""
    yaw_angle, pitch_angle, roll_angle = np.deg2rad([degrees, nod, roll])
    about_y = np.array(
        [[np.cos(yaw_angle), 0, -np.sin(yaw_angle)], [0, 1, 0], [np.sin(yaw_angle), 0, np.cos(yaw_angle)]]
    )
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch_angle), -np.sin(pitch_angle)], [0, np.sin(pitch_angle), np.cos(pitch_angle)]]
    )
    projected = (FACE @ about_y.T @ about_x.T)[:, :2] * size
    rolled = projected @ np.array([[np.cos(roll_angle), np.sin(roll_angle)], [-np.sin(roll_angle), np.cos(roll_angle)]])
    return np.repeat(rolled[None] + 100, frames, axis=0).astype(np.float32)


@pytest.mark.parametrize("degrees", [-60, -20, 0, 35, 60])
@pytest.mark.parametrize("roll, nod, size", [(0, 0, 80), (25, 0, 30), (-40, 10, 300)])
def test_yaw_is_found_whatever_the_roll_and_size(degrees, roll, nod, size):
    assert yaw(face_points(degrees, roll, nod, size)) == pytest.approx(degrees, abs=0.1)


def test_yaw_of_another_face_is_approximate():
    points = face_points(30.0, frames=20)
    points += np.random.default_rng(0).normal(0, 2.0, points.shape).astype(np.float32)
    assert np.abs(yaw(points) - 30).mean() < 8 and yaw(np.zeros((1, 37, 2)))[0] == 0.0


def test_head_counts_as_turned_if_half_of_its_frames_are():
    points = np.concatenate([face_points(50.0, frames=6), face_points(0.0, frames=4)])
    assert is_turned(points, 40) and is_turned(face_points(-50), 40) and not is_turned(points[::-1][:7], 40)
    assert not is_turned(points[:0], 40)


def test_points_of_a_head_turned_too_far_are_not_computed():
    loaded = load_model("grid-tracks")
    limit = loaded.model.config.widest_turn
    clip = SimpleNamespace(points=np.concatenate([face_points(0.0, frames=5), face_points(limit + 15, frames=5)]))
    clip.mouth_of = lambda start, stop: RequestedPoints(lambda: 1 / 0, np.arange(start, stop))
    frontal_points, turned_points = usable_mouth_points(loaded, clip, [(0, 5), (5, 10)])
    assert len(frontal_points) == 5 and turned_points is None, "and nothing was looked for"
    loaded.model.config = replace(loaded.model.config, widest_turn=0.0)
    assert not turned_away(loaded, clip.points[5:]), "0: whichever way they are turned"
    assert not turned_away(load_model("grid"), clip.points[5:])
