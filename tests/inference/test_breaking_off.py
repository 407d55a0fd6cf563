"""A film that breaks off is read up to there, one that is damaged but for the damage, and the line says where; the exit
status is that of a failure."""

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


def broken_off(path, images, **how):
    """The first 80 % of a film's bytes."""
    write_video(path, images, **how)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 8 // 10])
    return path


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return broken_off(tmp_path_factory.mktemp("cut") / "cut.mkv", talking_face(FRAMES), options={"g": "10"})


@pytest.fixture
def read(tiny_model, capsys):
    def run(*words):
        status = main([*map(str, ["transcribe", *words, "--model", tiny_model, "--method", "ctc_greedy"])])
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return run


def test_its_text_comes_out_and_the_line_says_where_it_ends(cut, read, tmp_path):
    status, text, (line,) = read(cut)
    assert status == 1 and "breaks off after" in line and line.endswith("what was read of it is kept")
    assert text.strip()
    assert read(cut, "-o", tmp_path, "--format", "txt,json,srt")[::2] == (1, [line])
    record = json.loads((tmp_path / "cut.json").read_text("utf-8"))
    assert record["text"] + "\n" == text == (tmp_path / "cut.txt").read_text("utf-8")
    assert record["error"]["reason"] == "unreadable" and not record["complete"]
    assert (tmp_path / "cut.srt").stat().st_size and not (tmp_path / "cut.journal").exists()
    assert read(cut, "-o", tmp_path, "--format", "txt,json,srt", "--resume")[0] == 1, "it is no whole transcript"


def test_a_mouth_alone_is_read_to_there_too(read, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (FRAMES, 96, 96, 3), np.uint8)
    status, text, (line,) = read(broken_off(tmp_path / "mouth.mkv", images), "--cropped")
    assert status == 1 and "breaks off after" in line and text.strip()


def test_the_block_before_the_break_is_given_before_the_error(cut):
    source, seen = MouthSource(cut), []
    with pytest.raises(VsrError, match="breaks off"):
        for own in source:
            seen.extend(own.block.times)
    images = 0
    with pytest.raises(VsrError, match="breaks off"):
        for _ in frames_from(cut):
            images += 1
    assert len(seen) == images > FRAMES / 2


def test_what_needs_all_of_it_refuses_it(cut, tiny_model):
    with pytest.raises(VsrError, match="breaks off"):
        crop_video(cut)
    with pytest.raises(VsrError, match="breaks off"):
        transcribe(load_model(tiny_model), cut)


@pytest.fixture(scope="module")
def holed(tmp_path_factory):
    """Six seconds, the third of which is damaged; a key frame every second."""
    path = write_video(tmp_path_factory.mktemp("holed") / "holed.mp4", talking_face(150), options={"g": "25"})
    data = path.read_bytes()
    begin, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    first, last = (begin + (end - begin) * percent // 100 for percent in (40, 45))
    path.write_bytes(data[:first] + bytes(last - first) + data[last:])
    return path


def test_what_is_damaged_is_not_read_and_the_line_says_from_when_to_when(holed, read, tmp_path):
    status, text, (line,) = read(holed, "-o", tmp_path, "--format", "json,txt")
    assert status == 1 and not text
    start, end = (float(word) for word in line.split() if word.replace(".", "").isdigit())
    assert "is damaged from" in line and 1 < start < end < 5
    record = json.loads((tmp_path / "holed.json").read_text("utf-8"))
    words = [word for segment in record["segments"] for word in segment["words"]]
    assert words and all(word["end"] <= start + 0.05 or word["start"] >= end - 0.05 for word in words)
    assert words[0]["start"] < start and words[-1]["end"] > end, "the rest is read"
    assert not record["complete"] and record["error"]["reason"] == "unreadable"


def test_programs_are_given_what_was_read_with_the_error(cut, holed, tiny_model):
    reader = load_reader(tiny_model)
    for path, problem in ((cut, "breaks off after"), (holed, "is damaged from")):
        with pytest.raises(VsrError, match=problem) as caught:
            reader.transcribe(path)
        assert isinstance(caught.value, Incomplete)
        record = caught.value.record
        assert record.text and not record.complete and record.error == ("unreadable", str(caught.value))
        assert pickle.loads(pickle.dumps(caught.value)).record == record, "also from another process"
        assert FileReader(Settings(str(tiny_model))).read(str(path)).to_json() == record.to_json()


def test_a_run_that_goes_on_behind_the_damage_remembers_it(holed, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    monkeypatch.setattr("vsr.face.mouth_source.LONGEST", 75)
    loaded, journal = load_model(tiny_model), tmp_path / "holed.journal"

    class Killed(Exception):
        pass

    def killed(transcript):
        if transcript.segments and transcript.segments[-1].end > 3.4:
            raise Killed

    given = (loaded, holed, options_for(loaded), "largest", journal)
    with pytest.raises(Killed):
        Reading(*given).run(Watch(block=killed))
    with pytest.raises(VsrError, match="is damaged from"):
        Reading(*given, True).run(Watch())


def test_a_film_that_is_still_being_written_is_not_complete(tiny_model, tmp_path):
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
