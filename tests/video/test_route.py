"""Transcripts, corpora, pages, reports and voices read the mouths of a video by one route, and see the same crops."""

import ast
from pathlib import Path

import numpy as np
import pytest

from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_tracks, crop_video
from vsr.face.mouth_source import MouthSource
from vsr.face.piece import MouthCutter
from vsr.face.tracker import Tracker
from vsr.inference.live.mouth import MouthStream
from vsr.media.reader import frames_from
from vsr.report.moment import find_clip

ROOT = Path(__file__).parents[2]
STEPS = {"blocks", "Cutter", "MouthCutter", "Tracker", "cut_mouth", "check_found"}
FRAME_BY_FRAME = {"vsr/inference/live/mouth.py": {"MouthCutter", "Tracker"}}  # cannot wait for the end of a shot
AFTER_A_KILL = {"vsr/inference/transcriber.py": {"check_found"}}  # counts what the journal has, too


def steps_in(text):
    """The steps of the route that a module takes by itself."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    named = {name.name for node in found if (node.module or "").startswith("vsr.face") for name in node.names}
    return named & STEPS


def test_nobody_outside_takes_a_step_of_the_route_alone():
    files = [path for package in ("vsr", "lip2speech") for path in (ROOT / package).rglob("*.py")]
    outside = [path for path in files if ROOT / "vsr" / "face" not in path.parents]
    taken = {str(path.relative_to(ROOT)): steps_in(path.read_text("utf-8")) for path in outside}
    assert {name: own for name, own in taken.items() if own} == FRAME_BY_FRAME | AFTER_A_KILL
    assert steps_in("def f():\n    from vsr.face.geometry import cut_mouth") == {"cut_mouth"}


def test_all_who_read_a_video_see_the_same_crops(face_clip):
    source = MouthSource(face_clip)
    ((own,),) = ([part.piece for part in block.parts] for block in source)
    clips = [
        crop_video(face_clip),
        *crop_tracks(face_clip),
        find_clip(face_clip),
        find_clip(face_clip, at=own.times[3]),
    ]
    assert len(clips) == 4 and source.frames == len(own.crop)
    for clip in clips:
        for name in ("crop", "times", "points"):
            np.testing.assert_array_equal(getattr(clip, name), getattr(own, name))


def test_a_stream_is_cut_as_a_file_where_its_smoothing_is_known(face_clip):
    """Three frames of smoothing in place of six: nearly the same crops, and all of them."""
    stream, found = MouthStream(default_detector()), []
    for frame, place in frames_from(face_clip):
        found += stream.add(frame, place.time, 0.0)
    found += stream.rest()
    clip = crop_video(face_clip)
    assert [mouth.time for mouth in found] == pytest.approx(clip.times)
    off = np.abs(np.stack([mouth.crop for mouth in found]).astype(int) - clip.crop)
    assert np.median(off) <= 2


@pytest.mark.parametrize("step", [1, 4, 7, 1000])
def test_a_mouth_is_cut_the_same_in_steps_of_any_size(face_clip, step):
    frames = [frame for frame, _ in frames_from(face_clip)]
    tracker = Tracker(default_detector())
    for number, frame in enumerate(frames):
        tracker.look(frame, number, number == len(frames) - 1)
    (track,) = tracker.tracks

    def cut(size):
        cutter, found = MouthCutter(track), []
        while cutter.done < cutter.total:
            found += [own.crop for own in cutter.cut(frames.__getitem__, min(cutter.total, cutter.done + size))]
        return np.stack(found)

    np.testing.assert_array_equal(cut(step), cut(len(frames)))
