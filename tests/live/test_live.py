"""Live captions: stable words stay, old frames are dropped, and the demo clip is read as from a file."""

import io
import socket
import time
from functools import partialmethod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.artifacts import LEDGER
from vsr.core.errors import VsrError
from vsr.face.detector import default_detector
from vsr.face.mediapipe_graphs import BLANK
from vsr.inference.live.captions import HEAD, Captions
from vsr.inference.live.capture import Capture, CapturedFrame
from vsr.inference.live.mouth import MouthStream
from vsr.inference.live.session import Session
from vsr.inference.live.source import open_source
from vsr.media.reader import frames_from
from vsr.modelstore.folder import load_model
from vsr.output.transcript import TimedWord

DEMO = Path(__file__).parents[2] / "demo" / "clip.mp4"


def words_of(text, step=0.3):
    return [TimedWord(word, step * i, step * (i + 1), 0.9) for i, word in enumerate(text.split())]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_stable_words_are_never_taken_back(readings):
    captions, before = Captions(), []
    for k, letters in enumerate(readings):
        new = captions.update(words_of(" ".join(letters)), end=0.5 * (k + 1))
        assert captions.standing == before + new
        before = list(captions.standing)
    captions.finish(words_of(" ".join(readings[-1])))
    assert captions.standing[: len(before)] == before and not captions.loose


def test_word_is_stable_once_two_readings_agree_and_it_is_over():
    captions = Captions()
    assert captions.update(words_of("bin blue"), 0.7) == []
    assert [word.word for word in captions.update(words_of("bin blue at"), 1.0)] == ["bin", "blue"]
    assert [word.word for word in captions.loose] == ["at"]
    assert captions.update(words_of("bin blue at"), 0.9 + HEAD / 2) == []  # it may not be over yet
    assert [word.word for word in captions.finish(words_of("bin blue at f"))] == ["at", "f"]


def test_changed_reading_continues_after_stable_words():
    captions = Captions()
    for _ in range(2):
        captions.update(words_of("bin blue"), 2.0)
    assert [word.word for word in captions.finish(words_of("set white at"))] == ["at"]


def test_old_frames_are_dropped_and_counted():
    capture = Capture(((np.full((2, 2, 3), i, np.uint8), i / 25) for i in range(40)), waiting=10)
    capture._thread.join(5)
    taken = list(capture)
    assert [image.time for image in taken] == [i / 25 for i in range(30, 40)] and capture.dropped == 30
    assert all(early.at <= late.at for early, late in zip(taken, taken[1:], strict=False))


def test_error_of_the_source_reaches_the_reader():
    with pytest.raises(VsrError, match="no such file"):
        list(Capture(open_source("missing.mp4")))


def test_file_is_played_at_its_own_pace(tmp_path):
    video = write_video(tmp_path / "face.mp4", talking_face(20))
    started = time.monotonic()
    count = len(list(open_source(str(video))))
    assert count == 20 and time.monotonic() - started > 0.7


@pytest.fixture
def stream(tmp_path, monkeypatch):
    """Makes a stream on standard input whose only key frame is the first; cut after `share`."""

    def make(share=1.0, garbage=b""):
        options = {"g": "1000", "sc_threshold": "0", "tune": "zerolatency"}
        data = write_video(tmp_path / "face.ts", talking_face(120), options=options).read_bytes()
        pipe = io.BytesIO(data[: int(share * len(data))] + garbage)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
        return pipe

    return make


def test_stream_is_read_from_its_first_frame(stream):
    stream()
    assert [round(25 * seconds) for _, seconds in open_source("-")] == list(range(120))


def test_damage_within_a_stream_costs_a_few_frames(stream):
    stream(0.5, garbage=bytes(range(256)) * 40)
    assert 40 < len(list(open_source("-"))) <= 70


def test_words_before_a_stream_breaks_off_are_kept(tmp_path, capsys, monkeypatch):
    def breaking(name):
        yield from ((frame, frame_index.time) for frame, frame_index in frames_from(DEMO))
        raise VsrError("broken_off", f"{name}: the stream breaks off (reset)")

    monkeypatch.setattr("vsr.inference.live.source.open_source", breaking)
    monkeypatch.setattr("vsr.inference.live.capture.Capture.__init__", partialmethod(Capture.__init__, waiting=100))
    assert main(["live", "http://x/y", "-o", str(tmp_path / "said.txt")]) == 1
    output = capsys.readouterr()
    assert output.out.endswith("place blue by m five please\n") and (tmp_path / "said.txt").exists()
    assert output.err.splitlines()[-1] == "vsr: http://x/y: the stream breaks off (reset)"


def test_stalling_stream_ends_in_one_line(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("vsr.inference.live.source.SILENT", 0.5)
        with pytest.raises(VsrError, match="nothing came for 0.5 s"):
            next(open_source(f"http://127.0.0.1:{silent.getsockname()[1]}/live.ts"))


@pytest.mark.parametrize("source, reason", [("97", "no_camera"), ("rtsp://127.0.0.1:9/none", "unreadable")])
def test_missing_sources_are_refused(source, reason):
    with pytest.raises(VsrError) as error:
        next(open_source(source))
    assert error.value.reason == reason


def test_mouths_follow_a_few_frames_behind_and_none_is_missing():
    stream, frames = MouthStream(default_detector()), talking_face(30)
    seen = []
    for index, frame in enumerate(frames):
        seen += stream.add(frame, index / 25, 0.0)
        assert not seen or index - round(25 * seen[-1].time) <= 8
    seen += stream.rest()
    assert [round(25 * mouth.time) for mouth in seen] == list(range(round(25 * seen[0].time), 30))
    assert seen[0].crop.shape == (96, 96)
    for _ in range(3):
        stream.add(np.repeat(np.repeat(BLANK, 4, 0), 4, 1), 2.0, 0.0)


def test_demo_clip_is_read_as_from_a_file():
    session = Session(load_model(), default_detector())
    images = [CapturedFrame(frame, frame_index.time, time.monotonic()) for frame, frame_index in frames_from(DEMO)]
    captions = list(session.run(iter(images)))
    final = [caption for caption in captions if caption.final]
    assert " ".join(word.word for caption in final for word in caption.standing) == "place blue by m five please"
    assert all(delay > 0 for caption in captions for delay in caption.delays)


def test_command_writes_the_captions(tmp_path, capsys):
    assert main(["live", str(DEMO), "-o", str(tmp_path / "said.doc")]) == 2
    assert main(["live", str(tmp_path / "none.mp4"), "-o", str(tmp_path / "said.srt")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert main(["live", str(DEMO), "-o", str(tmp_path / "said.srt")]) == 0
    output = capsys.readouterr()
    assert "words" in output.err and {path.name for path in tmp_path.iterdir()} in (set(), {"said.srt", LEDGER})
