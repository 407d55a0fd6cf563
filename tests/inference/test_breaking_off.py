"""A film that breaks off is read up to there, and the line says where; the exit status is that of a failure."""

import json

import numpy as np
import pytest

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_source import MouthSource
from vsr.inference.transcriber import transcribe
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
    assert status == 1 and "breaks off after" in line and line.endswith("what was read up to there is kept")
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
