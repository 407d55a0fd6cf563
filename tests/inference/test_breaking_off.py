"""A truncated video is read up to its end, a damaged one except for the damage; the message says where, and the exit
status is that of a failure.
"""

import json
import pickle

import numpy as np
import pytest

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.errors import Incomplete, VsrError
from vsr.core.progress import Watch
from vsr.decoding.defaults import options_for
from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_source import MouthSource
from vsr.inference.bulk import FileReader, Settings
from vsr.inference.reader import load_model as load_reader
from vsr.inference.transcriber import Reading, transcribe
from vsr.media.reader import frames_from
from vsr.modelstore.folder import load_model

FRAMES = 75


def truncated(path, images, **options):
    """The first 80 % of a video's bytes."""
    write_video(path, images, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 8 // 10])
    return path


@pytest.fixture(scope="module")
def cut_clip(tmp_path_factory):
    return truncated(tmp_path_factory.mktemp("cut") / "cut.mkv", talking_face(FRAMES), options={"g": "10"})


@pytest.fixture
def run_transcribe(tiny_model, capsys):
    def run(*arguments):
        status = main([*map(str, ["transcribe", *arguments, "--model", tiny_model, "--method", "ctc_greedy"])])
        output = capsys.readouterr()
        return status, output.out, output.err.splitlines()

    return run


def test_truncated_video_is_read_to_its_end_and_the_message_says_where(cut_clip, run_transcribe, tmp_path):
    status, text, (line,) = run_transcribe(cut_clip)
    assert status == 1 and "breaks off after" in line and line.endswith("what was read of it is kept")
    assert text.strip()
    assert run_transcribe(cut_clip, "-o", tmp_path, "--format", "txt,json,srt")[::2] == (1, [line])
    record = json.loads((tmp_path / "cut.json").read_text("utf-8"))
    assert record["text"] + "\n" == text == (tmp_path / "cut.txt").read_text("utf-8")
    assert record["error"]["reason"] == "unreadable" and not record["complete"]
    assert (tmp_path / "cut.srt").stat().st_size and not (tmp_path / "cut.journal").exists()
    assert run_transcribe(cut_clip, "-o", tmp_path, "--format", "txt,json,srt", "--resume")[0] == 1, (
        "it is no whole transcript"
    )


def test_truncated_video_of_the_mouth_is_read_to_its_end(run_transcribe, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (FRAMES, 96, 96, 3), np.uint8)
    status, text, (line,) = run_transcribe(truncated(tmp_path / "mouth.mkv", images), "--cropped")
    assert status == 1 and "breaks off after" in line and text.strip()


def test_frames_before_the_end_come_before_the_error(cut_clip):
    source, times = MouthSource(cut_clip), []
    with pytest.raises(VsrError, match="breaks off"):
        for part in source:
            times.extend(part.block.times)
    images = 0
    with pytest.raises(VsrError, match="breaks off"):
        for _ in frames_from(cut_clip):
            images += 1
    assert len(times) == images > FRAMES / 2


def test_refuses_truncated_video_where_all_of_it_is_needed(cut_clip, tiny_model):
    with pytest.raises(VsrError, match="breaks off"):
        crop_video(cut_clip)
    with pytest.raises(VsrError, match="breaks off"):
        transcribe(load_model(tiny_model), cut_clip)


@pytest.fixture(scope="module")
def damaged_clip(tmp_path_factory):
    """Six seconds, the third of which is damaged; a key frame every second."""
    path = write_video(tmp_path_factory.mktemp("holed") / "holed.mp4", talking_face(150), options={"g": "25"})
    data = path.read_bytes()
    begin, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    first, last = (begin + (end - begin) * percent // 100 for percent in (40, 45))
    path.write_bytes(data[:first] + bytes(last - first) + data[last:])
    return path


def test_damage_is_skipped_and_the_message_has_its_times(damaged_clip, run_transcribe, tmp_path):
    status, text, (line,) = run_transcribe(damaged_clip, "-o", tmp_path, "--format", "json,txt")
    assert status == 1 and not text
    start, end = (float(word) for word in line.split() if word.replace(".", "").isdigit())
    assert "is damaged from" in line and 1 < start < end < 5
    record = json.loads((tmp_path / "holed.json").read_text("utf-8"))
    words = [word for segment in record["segments"] for word in segment["words"]]
    assert words and all(word["end"] <= start + 0.05 or word["start"] >= end - 0.05 for word in words)
    assert words[0]["start"] < start and words[-1]["end"] > end, "the rest is read"
    assert not record["complete"] and record["error"]["reason"] == "unreadable"


def test_transcript_so_far_comes_with_the_error(cut_clip, damaged_clip, tiny_model):
    reader = load_reader(tiny_model)
    for path, problem in ((cut_clip, "breaks off after"), (damaged_clip, "is damaged from")):
        with pytest.raises(VsrError, match=problem) as caught:
            reader.transcribe(path)
        assert isinstance(caught.value, Incomplete)
        record = caught.value.record
        assert record.text and not record.complete and record.error == ("unreadable", str(caught.value))
        assert pickle.loads(pickle.dumps(caught.value)).record == record, "also from another process"
        assert FileReader(Settings(str(tiny_model))).read(str(path)).to_json() == record.to_json()


def test_resumed_run_remembers_the_damage(damaged_clip, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    monkeypatch.setattr("vsr.face.mouth_source.LONGEST", 75)
    loaded, journal = load_model(tiny_model), tmp_path / "holed.journal"

    class Killed(Exception):
        pass

    def kill(transcript):
        if transcript.segments and transcript.segments[-1].end > 3.4:
            raise Killed

    arguments = (loaded, damaged_clip, options_for(loaded), "largest", journal)
    with pytest.raises(Killed):
        Reading(*arguments).run(Watch(block=kill))
    with pytest.raises(VsrError, match="is damaged from"):
        Reading(*arguments, True).run(Watch())


def test_video_that_is_still_being_written_is_incomplete(tiny_model, tmp_path):
    """A transport stream announces no length: its end, and the SHA-256 of the transcript, would be those of a part."""
    path = write_video(tmp_path / "v.ts", talking_face(FRAMES))
    loaded = load_model(tiny_model)

    def grow(*_):
        with path.open("ab") as file:
            file.write(bytes(188))

    with pytest.raises(Incomplete, match=r"changed from [\d,]+ to [\d,]+ bytes while it was read") as caught:
        transcribe(loaded, path, options_for(loaded), watch=Watch(progress=grow))
    assert not caught.value.record.complete and caught.value.record.segments
    assert transcribe(loaded, path, options_for(loaded)).complete
