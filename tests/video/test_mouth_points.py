"""Mouth points and their features: invariant to position, size and tilt, and complete where frames are missing."""

import numpy as np
import pytest

from vsr.face.faces import Face
from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_features import (
    FEATURES,
    features_of,
    measures_of,
    mouth_features,
    read_track,
    repaired,
    write_track,
)
from vsr.face.mouth_points import LOOK_EVERY, NINE, POINTS, MouthFollower, mouth_meshes
from vsr.face.networks import Pool
from vsr.face.piece import Cutter
from vsr.face.tracker import OpenTrack


def mouth(frames=40, width=30.0):
    """Mouth points (T, 14, 2) of lips that open and close."""
    rng = np.random.default_rng(0)
    still = rng.normal(0, width, (len(POINTS), 2))
    index_of = {number: place for place, number in enumerate(POINTS)}
    still[index_of[78]], still[index_of[308]] = (-width / 2, width), (width / 2, width)
    still[index_of[133]], still[index_of[362]] = (-width / 2, -width), (width / 2, -width)
    still[index_of[10]], still[index_of[152]] = (0, -3 * width), (0, 2 * width)
    track = np.repeat(still[None], frames, 0)
    track[:, index_of[14], 1] += 0.2 * width * (1 + np.sin(np.arange(frames) / 3))
    return (track + 100).astype(np.float32)


def test_features_do_not_depend_on_position_size_and_tilt():
    track = mouth()
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    other = (track @ turn.T * 2.5 + [40, -7]).astype(np.float32)
    np.testing.assert_allclose(mouth_features(other), mouth_features(track), atol=2e-3)
    assert mouth_features(track).shape == (40, FEATURES)


def test_gaps_and_single_jumps_are_filled():
    track = mouth()
    points, measures = measures_of(track)
    damaged = points.copy()
    damaged[10] += 25  # the mesh slipped for one frame
    damaged[20:24] = np.nan
    filled, repaired_measures, known = repaired(damaged, measures)
    assert known.all()
    assert np.abs(filled[10] - points[[9, 11]].mean(0)).max() < 1e-3
    assert np.isfinite(filled).all() and np.abs(filled[21] - points[21]).max() < 6
    assert np.isfinite(features_of(filled, repaired_measures)).all()


def test_lips_that_open_in_one_frame_are_no_jump():
    track = mouth()
    track[20:, POINTS.index(14), 1] += 20
    points, measures = measures_of(track)
    assert np.array_equal(repaired(points, measures)[0], points)


@pytest.mark.parametrize("seen", [0, 1, 10])
def test_mouth_that_is_hardly_seen_has_no_features(seen):
    track = mouth()
    track[seen:] = np.nan
    assert mouth_features(track) is None


def test_one_frame_has_features():
    assert np.isfinite(mouth_features(mouth(1))).all()


def test_track_file_keeps_points_and_measures(tmp_path):
    points, measures = measures_of(mouth())
    write_track(tmp_path / "a.npz", points, measures)
    for written, read_back in zip((points, measures), read_track(tmp_path / "a.npz"), strict=True):
        np.testing.assert_array_equal(written, read_back)
    np.savez(tmp_path / "b.npz", points=points[:, :3], measures=measures)
    with pytest.raises(ValueError, match="no track"):
        read_track(tmp_path / "b.npz")


def test_every_frame_has_points_and_crops_do_not_change(face_clip):
    with_points, without = crop_video(face_clip, mesh=mouth_meshes()), crop_video(face_clip)
    np.testing.assert_array_equal(with_points.crop, without.crop)
    assert without.mouth is None and with_points.mouth.shape == (len(without.crop), len(POINTS), 2)
    opening = with_points.mouth[:, NINE.index(14), 1] - with_points.mouth[:, NINE.index(13), 1]
    assert np.isfinite(opening).all()


def test_without_a_face_there_are_no_points():
    follower = MouthFollower(mouth_meshes())
    for _ in range(6):
        follower.add(np.zeros((120, 120, 3), np.uint8), np.full((37, 2), 60, np.float32))
    assert np.isnan(follower.points()).all()


class NotedMesh:
    """Instead of networks: every point is the frame's number, and a look may fail."""

    def __init__(self, fails: int = 1000):
        self.looks, self.fails = [], fails

    def region(self, frame, face):
        self.looks.append(int(frame[0, 0, 0]))
        if len(self.looks) > self.fails:
            raise RuntimeError("the detector fails")
        return np.zeros(4)

    def fit(self, frame, face, relative):
        return np.full((len(POINTS), 2), float(frame[0, 0, 0]), np.float32)


def follow(mesh: NotedMesh, frames: int) -> np.ndarray:
    follower = MouthFollower(Pool(lambda: mesh, 1))
    for number in range(frames):
        follower.add(np.full((4, 4, 3), number, np.uint8), np.ones((37, 2), np.float32))
    return follower.points()


@pytest.mark.parametrize("frames", [1, 2, LOOK_EVERY, LOOK_EVERY + 1, 5 * LOOK_EVERY + 3])
def test_every_frame_has_its_points_in_order(frames):
    assert follow(NotedMesh(), frames)[:, 1, 0].tolist() == list(range(frames))


def test_detector_looks_at_the_first_frame_and_then_at_intervals():
    follow(mesh := NotedMesh(), 3 * LOOK_EVERY + 2)
    assert mesh.looks == [0, LOOK_EVERY, 2 * LOOK_EVERY, 3 * LOOK_EVERY]


def test_error_in_the_thread_is_raised_in_the_caller():
    with pytest.raises(RuntimeError, match="the detector fails"):
        follow(NotedMesh(fails=1), 6 * LOOK_EVERY)


class Marks:
    """Instead of a mesh: points made of the frame's number, the face and the region."""

    def region(self, frame, face):
        return np.array([frame[0, 0, 0], 0.0, 0.0, 0.0])

    def fit(self, frame, face, relative):
        return np.full((len(POINTS), 2), frame[0, 0, 0] + face.sum() + relative[0], np.float32)


@pytest.mark.parametrize("every", [1, 3, 50])
def test_points_do_not_depend_on_when_the_mouth_is_followed(every):
    frames = [np.full((8, 8, 3), number, np.uint8) for number in range(40)]
    points = [np.full((37, 2), number / 100, np.float32) for number in range(40)]
    track = OpenTrack(0, 2, Face(points[2], (0.0, 0.0, 8.0, 8.0), 1.0), canvas=(8, 8, 3))
    cutter = Cutter(track, 0, 0, Pool(Marks, 2))
    for number in range(2, 38):
        track.points[number - 2 :] = [points[number]]
        if number % every == 0:
            cutter.follow(frames.__getitem__)
    cutter.after = 2  # held at the end
    cutter.follow(frames.__getitem__)
    values = cutter.mouths.points()[:, 0, 0]
    assert len(values) == 40
    looks = np.interp(np.arange(40), np.arange(0, 40, LOOK_EVERY), np.arange(0, 40, LOOK_EVERY))
    faces = 37 * 2 * np.clip(np.arange(40), 2, 37) / 100
    np.testing.assert_allclose(values, np.arange(40) + faces + looks, atol=1e-3)
