"""Transcripts, corpora, pages, reports and voices cut the mouths of a video by one route, and get the same crops."""

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
FRAME_BY_FRAME = {  # cannot wait for the end of a shot
    "vsr/inference/live/mouth.py": {"MouthCutter", "Tracker"},
    "vsr/inference/live/speaking.py": {"MouthCutter"},
}
AFTER_A_KILL = {"vsr/inference/transcriber.py": {"check_found"}}  # counts what the journal has, too


def steps_in(text):
    """The steps of the route that a module imports itself."""
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    named = {name.name for node in imports if (node.module or "").startswith("vsr.face") for name in node.names}
    return named & STEPS


def test_no_module_outside_takes_a_single_step_of_the_route():
    files = [path for package in ("vsr", "lip2speech") for path in (ROOT / package).rglob("*.py")]
    outside = [path for path in files if ROOT / "vsr" / "face" not in path.parents]
    taken = {str(path.relative_to(ROOT)): steps_in(path.read_text("utf-8")) for path in outside}
    assert {name: steps for name, steps in taken.items() if steps} == FRAME_BY_FRAME | AFTER_A_KILL
    assert steps_in("def f():\n    from vsr.face.geometry import cut_mouth") == {"cut_mouth"}


def test_all_readers_of_a_video_get_the_same_crops(face_clip):
    source = MouthSource(face_clip)
    ((expected,),) = ([part.piece for part in block.parts] for block in source)
    clips = [
        crop_video(face_clip),
        *crop_tracks(face_clip),
        find_clip(face_clip),
        find_clip(face_clip, at=expected.times[3]),
    ]
    assert len(clips) == 4 and source.frames == len(expected.crop)
    for clip in clips:
        for name in ("crop", "times", "points"):
            np.testing.assert_array_equal(getattr(clip, name), getattr(expected, name))


def test_live_stream_gives_nearly_the_crops_of_a_file(face_clip):
    """With three frames of smoothing instead of six."""
    stream, mouths = MouthStream(default_detector()), []
    for frame, place in frames_from(face_clip):
        mouths += stream.add(frame, place.time, 0.0)
    mouths += stream.rest()
    clip = crop_video(face_clip)
    assert [mouth.time for mouth in mouths] == pytest.approx(clip.times)
    difference = np.abs(np.stack([mouth.crop for mouth in mouths]).astype(int) - clip.crop)
    assert np.median(difference) <= 2


@pytest.mark.parametrize("step", [1, 4, 7, 1000])
def test_crops_do_not_depend_on_the_step_size(face_clip, step):
    frames = [frame for frame, _ in frames_from(face_clip)]
    tracker = Tracker(default_detector())
    for number, frame in enumerate(frames):
        tracker.look(frame, number, number == len(frames) - 1)
    (track,) = tracker.tracks

    def cut(size):
        cutter, crops = MouthCutter(track), []
        while cutter.done < cutter.total:
            crops += [mouth.crop for mouth in cutter.cut(frames.__getitem__, min(cutter.total, cutter.done + size))]
        return np.stack(crops)

    np.testing.assert_array_equal(cut(step), cut(len(frames)))
