"""Streams without time stamps, or with late ones, keep the pace at which they were recorded."""

import io
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from tests.footage import number_of, write_recording
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.inference.live.capture import Capture
from vsr.inference.live.pace import Pace
from vsr.inference.live.source import open_source

DEMO = Path(__file__).parents[2] / "demo" / "clip.mp4"


def on_stdin(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))


@pytest.mark.parametrize(("suffix", "fps"), [("h264", 25), ("h264", 50), ("hevc", 30)])
def test_pipe_without_time_stamps_is_timed_by_its_rate(tmp_path, monkeypatch, suffix, fps):
    path = write_recording(tmp_path / f"raw.{suffix}", np.arange(2 * fps) / fps, fps=fps)
    on_stdin(monkeypatch, path.read_bytes())
    numbers, times = zip(*((number_of(frame), seconds) for frame, seconds in open_source("-")), strict=True)
    assert list(numbers) == list(range(2 * fps))
    np.testing.assert_allclose(times, np.arange(2 * fps) / fps)


def test_raw_h264_is_captioned(monkeypatch, capsys):
    raw = io.BytesIO()
    with av.open(str(DEMO)) as source, av.open(raw, "w", format="h264") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        to_annexb = av.BitStreamFilterContext("h264_mp4toannexb", source.streams.video[0])
        for packet in source.demux(video=0):
            for filtered in to_annexb.filter(packet):
                filtered.stream = stream
                sink.mux(filtered)
    on_stdin(monkeypatch, raw.getvalue())
    assert main(["live", "-"]) == 0
    output = capsys.readouterr()
    assert "place blue by m five please" in output.out and "dropped" not in output.err


def test_file_with_its_index_at_the_end_is_told_from_a_stream_that_breaks_off(monkeypatch):
    pipe = SimpleNamespace(read=io.BytesIO(DEMO.read_bytes()).read)  # cannot seek
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
    with pytest.raises(VsrError, match="an MP4 with its index at its end") as caught:
        list(open_source("-"))
    assert caught.value.reason == "unreadable"


@pytest.fixture
def clock(monkeypatch):
    """The clock of the machine, set by hand."""
    moment = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("vsr.inference.live.pace.time.monotonic", lambda: moment.now)
    return moment


def stream(rate=None):
    return SimpleNamespace(codec_context=SimpleNamespace(framerate=rate))


@pytest.mark.parametrize("fps", [15, 25, 30, 60])
@pytest.mark.parametrize("waiting", [0, 20])
def test_unknown_rate_is_measured(clock, fps, waiting):
    """The first frames come at once, the others one by one."""
    pace, seconds = Pace(stream()), []
    for number in range(10 * fps):
        clock.now = 1000 + max(0, number - waiting) / fps
        seconds.append(pace.place(None))
    assert np.mean(np.diff(seconds[-3 * fps :])) == pytest.approx(1 / fps, rel=0.05)
    assert (np.diff(seconds) > 0).all()


def test_camera_that_stalls_does_not_fall_behind(clock):
    pace, seconds = Pace(stream(25)), []
    for number in range(100):
        clock.now = 1000 + number / 25 + (4 if number >= 50 else 0)
        seconds.append(pace.place(None))
    np.testing.assert_allclose(seconds[:50], np.arange(50) / 25)
    np.testing.assert_allclose(seconds[50:], 4 + np.arange(50, 100) / 25)


@pytest.mark.parametrize("begin", [0.2, 7.0, 95_000.0])
def test_camera_may_stamp_late(clock, begin):
    pace = Pace(stream(25))
    stamps = [None] * 10 + [begin + k / 25 for k in range(20)] + [None] * 3
    np.testing.assert_allclose([pace.place(stamp) for stamp in stamps], np.arange(33) / 25, atol=1e-6)


def test_frames_before_their_time_drop_none():
    """As with all of a file in a pipe: a speaker does not fall behind by it."""
    capture, taken = Capture(((np.zeros((2, 2, 3), np.uint8), i / 100) for i in range(60)), waiting=10), []
    for image in capture:
        taken.append(image.time)
        time.sleep(0.002)
    assert capture.dropped == 0 and taken == [i / 100 for i in range(60)]
