"""Points of the mouth from a camera: those of a file, computed once for each frame, and only on request."""

from pathlib import Path

import numpy as np
import pytest

from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_points import MouthFollower, mouth_meshes
from vsr.inference.live.mouth import MouthStream, face_around
from vsr.inference.live.points import LivePoints
from vsr.media.reader import frames_from

DEMO = Path(__file__).parents[2] / "demo" / "clip.mp4"
FRAMES = 60


@pytest.fixture(scope="module")
def mouths():
    stream, mouths_of_stream = MouthStream(default_detector(), faces=True), []
    for _, (frame, frame_index) in zip(range(FRAMES), frames_from(DEMO), strict=False):
        mouths_of_stream += stream.add(frame, frame_index.time, 0.0)
    return mouths_of_stream + stream.rest()


@pytest.fixture
def added(monkeypatch):
    """The number of frames for which a mesh is computed, as a list."""
    calls, add = [], MouthFollower.add
    monkeypatch.setattr(MouthFollower, "add", lambda self, *frame: calls.append(1) or add(self, *frame))
    return calls


def test_points_are_those_of_the_file(mouths):
    clip = crop_video(DEMO, mesh=mouth_meshes())
    points = np.asarray(LivePoints(mouth_meshes()).of(mouths))
    indices = [int(np.abs(clip.times - mouth.time).argmin()) for mouth in mouths]
    assert points.shape == (len(mouths), 14, 2) and len(set(indices)) == len(indices)
    assert np.nanmedian(np.abs(points - clip.mouth[indices])) < 0.1


def test_growing_utterance_is_computed_once_for_each_frame(mouths, added):
    live = LivePoints(mouth_meshes())
    early = np.asarray(live.of(mouths[5:20]))
    assert len(added) == 15
    later = np.asarray(live.of(mouths[5:40]))
    assert len(added) == 35 and np.array_equal(later[:15], early)
    np.testing.assert_allclose(np.asarray(live.of(mouths[12:40])), later[7:], atol=0)
    assert len(added) == 35
    np.asarray(live.of(mouths[2:40]))  # it turned out to begin earlier
    assert len(added) == 35 + 38
    live.close()


def test_nothing_is_computed_unless_requested(mouths, added):
    live = LivePoints(mouth_meshes())
    points = live.of(mouths)
    assert len(points) == len(mouths) and not added
    live.close()


def test_kept_image_shows_the_face_at_the_edges_of_the_frame_too():
    frame = np.arange(90 * 120 * 3, dtype=np.uint32).astype(np.uint8).reshape(90, 120, 3)
    points = np.array([[3.0, 78.0], [23.0, 88.0]])
    kept = face_around(frame, points)
    x, y = kept.begin.astype(int)
    assert (x, y) == (0, 48) and kept.frame.shape == (42, 54, 3) and np.array_equal(kept.frame, frame[48:, :54])
    np.testing.assert_allclose(kept.on_video(kept.points), points)


@pytest.mark.parametrize("canvas", [None, (540, 960, 3)])
def test_large_face_is_kept_small_and_counts_in_pixels_of_the_video(canvas):
    frame, points = np.zeros((1080, 1920, 3), np.uint8), np.array([[400.0, 200.0], [600.0, 480.0]])
    kept = face_around(frame, points if canvas else 2 * points, canvas)
    assert 240 < np.ptp(kept.points, 0).max() < 260 and kept.frame.nbytes < 2_000_000
    np.testing.assert_allclose(kept.on_video(kept.points), points if canvas else 2 * points, rtol=1e-5)
