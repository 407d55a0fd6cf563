"""The inspected window: any shot of a video, the face of the transcript, and nothing beyond it is read."""

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.inference.reader import load_model
from vsr.media.reader import frames_from
from vsr.report.collect import inspect_video
from vsr.report.moment import find_clip
from vsr.report.stills import stills


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks end with every cut, as in a long video."""
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)


@pytest.mark.parametrize(("at", "first", "last"), [(None, 0, 4), (1.0, 0, 4), (7.5, 6, 10), (9.9, 6, 10)])
def test_moment_is_inside_the_window(gapped_clip, small_blocks, at, first, last):
    clip = find_clip(gapped_clip, at=at)
    assert (clip.times[0], clip.times[-1] + 0.04) == pytest.approx((first, last), abs=0.1)


def test_frames_of_a_late_shot_are_read_from_its_block_on(gapped_clip, small_blocks, monkeypatch):
    clip = find_clip(gapped_clip, at=8.0)
    assert clip.begin is not None and clip.begin.time > 3
    begins = []
    monkeypatch.setattr(
        "vsr.report.stills.frames_from",
        lambda path, begin, as_shown: begins.append(begin) or frames_from(path, begin, as_shown=as_shown),
    )
    assert len(stills(clip, 0, len(clip.crop))) == 4 and begins == [clip.begin]


def test_nothing_beyond_the_moment_is_read(gapped_clip, small_blocks):
    positions = []

    class Told:
        progress = staticmethod(lambda file, done, total: positions.append(done))

    find_clip(gapped_clip, at=1.0, watch=Told)
    assert max(positions) < 6


def test_faces_have_the_numbers_of_the_transcript(gapped_clip, small_blocks, tiny_model):
    loaded = load_model(tiny_model)
    for track in loaded.transcribe(gapped_clip).tracks:
        inspection = inspect_video(loaded, gapped_clip, face=track.face, at=(track.start + track.end) / 2)
        assert inspection.clip.face == track.face and inspection.clip.times[0] == pytest.approx(track.start)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"at": 5.0}, "no face is read at second 5"),
        ({"at": 11.0}, "second 11 is outside the video, which lasts 10.00 s"),
        ({"face": 7}, "has no face 7; its faces are 0"),
        ({"face": 7, "at": 1.0}, "has no face 7 up to second 1; its faces are 0"),
        ({"face": 0, "at": 5.0}, "face 0 is not seen at second 5"),
    ],
)
def test_impossible_moments_are_named(gapped_clip, small_blocks, choice, message):
    with pytest.raises(VsrError, match=message) as caught:
        find_clip(gapped_clip, **choice)
    assert caught.value.reason == "bad_options"


def test_video_without_a_face_is_refused(make_video, tmp_path):
    empty = make_video(tmp_path / "empty.mp4", np.full((30, 64, 64, 3), 99, np.uint8))
    with pytest.raises(VsrError, match="no face is seen"):
        find_clip(empty, at=0.5)
