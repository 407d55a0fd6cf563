"""Clips from footage for self-supervised training: the mouths that a transcript would be read from, of one face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.mouth_track import load_features
from vsr.data.speech_clips import speech_clips
from vsr.face.mouth_points import MESHES
from vsr.face.mouth_source import MouthSource

DEMO = str(Path(__file__).parents[2] / "demo" / "clip.mp4")
WINDOW = 25


@pytest.fixture(scope="module")
def blocks():
    return list(MouthSource(DEMO))


def test_clips_are_what_a_transcript_is_read_from(blocks, tmp_path):
    (clips,) = speech_clips(Clip("u", DEMO, "", "anna", language="en"), tmp_path, WINDOW)
    spans = [(part.piece, *span) for block in blocks for part in block.parts for span in part.spans(WINDOW)]
    assert len(clips) == len(spans) > 1 and len({clip.id for clip in clips}) == len(clips)
    for clip, (piece, start, stop) in zip(clips, spans, strict=True):
        assert np.array_equal(np.load(clip.crop), piece.crop[start:stop]) and clip.num_frames == stop - start
        assert clip.start <= piece.times[start] < clip.end and clip.end >= piece.times[stop - 1]
        assert (clip.speaker, clip.language, clip.text, clip.track) == ("anna", "en", "", "")


def test_with_a_mesh_each_clip_has_a_track_of_its_length(tmp_path):
    (clips,) = speech_clips(Clip("u", DEMO, "", end=1.5), tmp_path, WINDOW, MESHES)
    assert clips and all(len(load_features(clip)) == clip.num_frames for clip in clips)
    assert clips[-1].end <= 1.6, "a part of a video ends where it ends"


def test_face_that_speaks_longest_is_first(blocks, tmp_path, monkeypatch):
    (part,) = blocks[0].parts
    lips = [replace(part, face=face) for face in (3, 5, 5)]

    class TwoFaces(MouthSource):
        def __iter__(self):
            yield replace(blocks[0], parts=lips)

        def check(self, read):
            assert read

    monkeypatch.setattr("vsr.data.speech_clips.MouthSource", TwoFaces)
    longest, other = speech_clips(Clip("u", DEMO, ""), tmp_path, WINDOW)
    assert len(longest) == 2 * len(other) == 2 * len(part.spans(WINDOW)) and all(".5." in clip.id for clip in longest)


def test_video_without_a_face_is_refused_with_its_reason(landscape_clip, tmp_path):
    with pytest.raises(VsrError) as error:
        speech_clips(Clip("u", str(landscape_clip), ""), tmp_path, WINDOW)
    assert error.value.reason == "no_face" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("reason", ["at_rest", "covered"])
def test_lips_that_never_speak_are_refused_with_their_reason(reason, blocks, tmp_path, monkeypatch):
    (part,) = blocks[0].parts
    skipped_as = reason.removeprefix("at_")
    resting = replace(part.piece.stretches, speech=[], skipped=[(0, len(part.piece.crop), skipped_as)])
    silent = replace(part, piece=replace(part.piece))
    silent.piece.__dict__["stretches"] = resting  # a cached property
    monkeypatch.setattr(MouthSource, "__iter__", lambda self: iter([replace(blocks[0], parts=[silent])]))
    monkeypatch.setattr(MouthSource, "check", lambda self, read: None)
    with pytest.raises(VsrError, match="no lips are seen to speak") as error:
        speech_clips(Clip("u", DEMO, ""), tmp_path, WINDOW)
    assert error.value.reason == reason and not list(tmp_path.iterdir())
