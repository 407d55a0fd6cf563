"""Faces keep their identity: tracks never swap, survive gaps, and end at cuts."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.face.detector import default_detector
from vsr.face.faces import NUM_POINTS, Face
from vsr.face.landmarker import TasksMesh, _without_models
from vsr.face.mediapipe_graphs import mesh_of
from vsr.face.surroundings import Surroundings
from vsr.face.tracker import STRIDE, Tracker, track_faces

SHAPE = np.random.default_rng(0).uniform(-0.4, 0.4, (NUM_POINTS, 2)).astype(np.float32)


def face_at(x, y, size=100.0):
    points = SHAPE * size + np.float32([x, y])
    return Face(points, (x - size / 2, y - size / 2, x + size / 2, y + size / 2), 1.0)


class Script:
    """A detector that gives the faces written down for each frame, whichever frames it is shown."""

    def __init__(self, *frames):
        self.frames = frames

    def reset(self):
        pass

    def detect(self, frame):
        return self.frames[number_of(frame)]


def numbered(images):
    """Frames that carry their number in the first pixel."""
    images = [np.array(image) for image in images]
    for index, image in enumerate(images):
        image[0, 0] = (index // 256, index % 256, 0)
    return images


def number_of(frame):
    return int(frame[0, 0, 0]) * 256 + int(frame[0, 0, 1])


def blank(count):
    slope = np.arange(0, 128, 2, dtype=np.uint8).repeat(64 * 3).reshape(64, 64, 3)  # shots end after empty frames
    return numbered([slope] * count)


def test_two_people_never_swap_whatever_the_order_of_detection():
    rng = np.random.default_rng(0)
    frames = []
    for index in range(60):
        pair = [face_at(100 + index, 100), face_at(220 + index, 100 + index)]
        frames.append([pair[i] for i in rng.permutation(2)])
    left, right = sorted(track_faces(blank(60), Script(*frames)), key=lambda track: track.points[0, 0, 0])
    for track, x in ((left, 100), (right, 220)):
        expected = x + np.arange(60) + SHAPE[:, 0].mean() * 100
        np.testing.assert_allclose(track.points[:, :, 0].mean(axis=1), expected, atol=1e-2)


def test_track_of_a_person_who_leaves_is_not_continued_by_the_neighbour():
    frames = [[face_at(100, 100), face_at(200, 100)]] * 10 + [[face_at(200, 100)]] * 10
    tracks = track_faces(blank(20), Script(*frames))
    assert [track.start for track in tracks] == [0, 0] and tracks[1].stop == 20
    assert 10 - STRIDE < tracks[0].stop <= 10  # a still face is looked for in every fourth frame


def test_gap_keeps_the_identity_and_stays_visible():
    seen = [[face_at(100, 100)]]
    (track,) = track_faces(blank(30), Script(*seen * 10, *[[]] * 12, *seen * 8))
    assert not track.seen[10:22].any() and track.seen[22:].all() and track.seen[: 11 - STRIDE].all()
    assert np.isnan(track.points[10:22]).all() and not np.isnan(track.points[: 11 - STRIDE]).any()


def test_long_absence_and_cut_end_a_track():
    seen = [[face_at(100, 100)]]
    assert len(track_faces(blank(100), Script(*seen * 10, *[[]] * 80, *seen * 10))) == 2
    rng = np.random.default_rng(0)
    shots = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    assert len(track_faces(numbered([shots[0]] * 5 + [shots[1]] * 5), Script(*seen * 10))) == 2
    flash = np.clip(shots[0].astype(int) // 2 + 120, 0, 255).astype(np.uint8)
    assert len(track_faces(numbered([shots[0]] * 5 + [flash] + [shots[0]] * 5), Script(*seen * 11))) == 1


def test_no_faces_give_no_tracks():
    assert track_faces(blank(5), Script(*[[]] * 5)) == []


def test_mesh_follows_a_moving_face(make_face):
    face = make_face(1)[0]
    frames = []
    for index in range(12):
        frame = np.full((360, 480, 3), 90, np.uint8)
        frame[40 : 40 + 256, 5 * index : 5 * index + 256] = face
        frames.append(frame)
    (track,) = track_faces(frames, default_detector())
    assert track.seen.all()
    steps = np.diff(track.points[:, :, 0].mean(axis=1))
    np.testing.assert_allclose(steps, 5, atol=1.5)


def test_mesh_points_have_their_order_in_the_face(make_face):
    (face,) = track_faces([make_face(1)[0]], default_detector())
    nose, right_eye, left_eye, mouth = (
        face.points[0, part].mean(axis=0) for part in (slice(0, 5), slice(5, 11), slice(11, 17), slice(17, 37))
    )
    assert right_eye[0] < nose[0] < left_eye[0]  # the person's right is the frame's left
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


@pytest.mark.xfail(_without_models(), reason="mediapipe 1.x looks for upright faces alone")
def test_face_upside_down_has_its_mouth_above_its_eyes(make_face):
    frame = np.ascontiguousarray(make_face(1)[0][::-1, ::-1])
    (face,) = track_faces([frame.copy() for _ in range(3)], default_detector())
    nose, right_eye, left_eye, mouth = (
        face.points[0, part].mean(axis=0) for part in (slice(0, 5), slice(5, 11), slice(11, 17), slice(17, 37))
    )
    assert right_eye[0] > nose[0] > left_eye[0] and mouth[1] < nose[1] < min(right_eye[1], left_eye[1])


def test_mesh_gives_two_people_two_tracks(make_face):
    faces = make_face(15, size=200)
    frames = np.concatenate([faces, faces[:, :, ::-1]], axis=2)
    tracks = track_faces(list(frames), default_detector())
    assert len(tracks) == 2 and all(track.seen.all() for track in tracks)
    for track in tracks:
        assert np.ptp(track.points[:, :, 0].mean(axis=1)) < 20


@pytest.mark.xfail(_without_models(), reason="mediapipe 1.x looks at the whole frame alone")
def test_small_face_is_found_in_a_second_look(make_face):
    frame = np.full((720, 720, 3), 90, np.uint8)
    frame[400:480, 500:580] = make_face(1, size=80)[0]
    (track,) = track_faces([frame], default_detector())
    x, y = track.points[0].mean(axis=0)
    assert 510 < x < 570 and 410 < y < 470


@pytest.mark.xfail(_without_models(), reason="mediapipe 1.x looks at the whole frame alone")
def test_small_faces_beside_a_large_one_are_found_and_kept(make_face):
    frame = np.full((720, 1280, 3), 40, np.uint8)
    frame[100:600, 200:700] = make_face(1, size=500)[0]
    for row in (0, 240, 480):
        frame[row : row + 240, 1020:1260] = make_face(1, size=240)[0]
    tracks = track_faces([frame.copy() for _ in range(14)], default_detector())
    assert len(tracks) == 4 and all(track.seen.all() and len(track.points) == 14 for track in tracks)
    assert sorted(track.points[0, :, 0].mean() > 1000 for track in tracks) == [False, True, True, True]


@pytest.mark.xfail(_without_models(), reason="mediapipe 1.x follows fewer faces")
def test_ten_faces_are_followed_at_a_time(make_face):
    frame = np.full((400, 1000, 3), 90, np.uint8)
    for index in range(10):
        row, column = 200 * (index // 5), 200 * (index % 5)
        frame[row : row + 180, column : column + 180] = make_face(1, size=180)[0]
    tracks = track_faces([frame.copy() for _ in range(8)], default_detector())
    assert len(tracks) == 10 and all(track.seen.all() for track in tracks)


@pytest.mark.parametrize("arrival", [20, 22, 33])
def test_new_face_beside_a_single_face_is_found_at_once(make_face, arrival):
    faces = make_face(48, size=200)
    frames = np.concatenate([faces, faces[:, :, ::-1]], axis=2)
    frames[:arrival, :, 200:] = 90
    tracker = Tracker(default_detector())
    for index, frame in enumerate(frames):
        tracker.look(frame, index)
    first, second = tracker.tracks
    assert first.start == 0 and arrival <= second.start <= arrival + STRIDE


def test_only_changes_beside_a_known_face_call_for_a_search():
    box, frame = (100, 100, 200, 200), np.full((300, 600, 3), 90, np.uint8)
    beside, within, dim = frame.copy(), frame.copy(), frame // 2 + 50
    beside[100:160, 400:460] = within[110:190, 90:210] = 200
    surroundings = Surroundings()
    assert surroundings.has_changed(frame, [box])
    surroundings.remember(frame)
    assert [surroundings.has_changed(image, [box]) for image in (frame, within, beside, dim)] == [0, 0, 1, 0]
    assert surroundings.has_changed(within, [])
    surroundings.remember(beside)
    assert not surroundings.has_changed(beside, [box])


def test_result_does_not_depend_on_the_video_before(make_face):
    frames = list(make_face(5))
    alone = track_faces(frames, default_detector())[0].points
    track_faces([frame[::-1].copy() for frame in make_face(5, size=300)], default_detector())
    np.testing.assert_array_equal(track_faces(frames, default_detector())[0].points, alone)


def test_tasks_interface_refuses_what_is_no_model(tmp_path):
    with pytest.raises(VsrError, match="no such face landmarker"):
        TasksMesh(tmp_path / "missing.task")
    (tmp_path / "text.task").write_text("no model", encoding="utf-8")
    with pytest.raises(VsrError) as caught:
        TasksMesh(tmp_path / "text.task")
    assert caught.value.reason == "bad_model"


@pytest.mark.skipif(_without_models(), reason="mediapipe 1.x has no models of its own")
def test_tasks_interface_finds_a_face(tmp_path, make_face):
    """A landmarker bundled from the models in the wheel: the same network, in the format of the Tasks interface."""
    import mediapipe

    modules = Path(mediapipe.__file__).parent / "modules"
    with zipfile.ZipFile(tmp_path / "face.task", "w") as bundle:
        bundle.write(modules / "face_detection/face_detection_short_range.tflite", "face_detector.tflite")
        bundle.write(modules / "face_landmark/face_landmark.tflite", "face_landmarks_detector.tflite")
    detector = TasksMesh(tmp_path / "face.task")
    for _ in range(2):
        detector.reset()
        faces = [detector.detect(frame) for frame in make_face(3)]
        assert all(face.points.shape == (NUM_POINTS, 2) for detected in faces for face in detected)


@pytest.mark.skipif(_without_models(), reason="mediapipe 1.x has other messages")
def test_mesh_is_read_directly_from_the_message():
    from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmarkList

    values = np.random.default_rng(0).uniform(-0.1, 1.1, (468, 3)).astype(np.float32)
    values[0] = 0  # a zero is written, too
    landmarks = NormalizedLandmarkList()
    for x, y, z in values:
        landmarks.landmark.add(x=x, y=y, z=z)
    np.testing.assert_array_equal(mesh_of(landmarks, (100, 200, 3)), values[:, :2] * np.float32([200, 100]))
