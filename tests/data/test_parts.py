"""A clip may be part of a video: its frames are exactly those of the whole, and earlier manifests are read."""

import json

import numpy as np
import pytest

from tests.footage import read, tone, write_recording
from vsr.core.errors import VsrError
from vsr.data.cropping import crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.face.mouth_crop import crop_video
from vsr.media.reader import read_frames


def frames_of(path, **part):
    return np.concatenate([frames for frames, _ in read_frames(path, chunk_frames=7, **part)])


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory, make_video, make_face):
    return make_video(tmp_path_factory.mktemp("parts") / "long.mp4", make_face(60))


def test_adjacent_parts_make_up_the_whole(long_clip):
    whole = frames_of(long_clip)
    parts = [frames_of(long_clip, start=a, end=b) for a, b in ((0, 0.8), (0.8, 1.52), (1.52, 0))]
    assert [len(part) for part in parts] == [20, 18, 22]
    assert (np.concatenate(parts) == whole).all()
    _, times = next(read_frames(long_clip, start=0.8))
    assert times[0] == pytest.approx(0.8)


def test_parts_at_other_frame_rates_keep_their_place(tmp_path, make_video, make_face):
    path = make_video(tmp_path / "fast.mp4", make_face(60), fps=50)
    assert (frames_of(path, start=0.4, end=0.8) == frames_of(path)[10:20]).all()


def test_end_beyond_the_file_is_its_end_and_start_beyond_it_an_error(long_clip):
    assert len(frames_of(long_clip, start=2.0, end=2.6)) == 10
    with pytest.raises(VsrError, match="no frames from 5.00 s on"):
        frames_of(long_clip, start=5.0)


def test_parts_are_cropped_like_the_video(long_clip, tmp_path):
    clips = [Clip("a_00", str(long_clip), "one", end=1.2), Clip("a_01", str(long_clip), "two", start=1.2)]
    write_manifest(tmp_path / "in.jsonl", clips)
    assert crop_corpus(tmp_path / "in.jsonl", tmp_path / "out") == {"cropped": 2}
    cropped = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert [(clip.num_frames, clip.start, clip.end) for clip in cropped] == [(30, 0.0, 1.2), (30, 1.2, 0.0)]
    mouth = crop_video(long_clip, start=1.2)
    assert mouth.times[0] == pytest.approx(1.2) and (mouth.crop == np.load(cropped[1].crop)).all()


def test_manifest_without_parts_is_read(tmp_path):
    (tmp_path / "old.jsonl").write_text(json.dumps({"id": "a", "video": "a.mp4", "text": "t"}) + "\n", encoding="utf-8")
    assert read_manifest(tmp_path / "old.jsonl") == [Clip("a", "a.mp4", "t")]
    line = '{"id": "a", "video": "v", "text": "t", "start": 3, "end": 2}'
    (tmp_path / "bad.jsonl").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(VsrError, match="line 1: a: the part from 3 s to 2 s is empty"):
        read_manifest(tmp_path / "bad.jsonl")


def test_part_has_the_frames_shown_at_its_time(tmp_path):
    """Also after a frame that was held for long, and if the first frame is late."""
    even = np.arange(75) / 25
    gap = write_recording(tmp_path / "gap.mp4", [*even, *(18 + even)])
    late = write_recording(tmp_path / "late.mp4", 7 + even, tone(12))
    for path, start, end, first, count in (
        (gap, 18, 21, 75, 75), (gap, 19, 20, 100, 25), (gap, 16, 19, 75, 25), (gap, 2, 18.4, 50, 35),
        (gap, 20, 0, 125, 25), (late, 8, 9, 25, 25), (late, 5, 8, 0, 25), (late, 9, 0, 50, 25),
    ):  # fmt: skip
        numbers, times = read(path, start=start, end=end)
        assert numbers == list(range(first, first + count)), (path.name, start)
        assert times[0] >= start - 0.02 and (not end or times[-1] < end)
    for path, start, end in ((gap, 5, 17), (gap, 21, 23), (late, 0, 6), (late, 10, 0)):
        with pytest.raises(VsrError, match=f"has no frames from {start:.2f} "):
            read(path, start=start, end=end)
