"""Times are seconds after the container's start, whatever a file's stamps are like; see `vsr.media.timestamps`."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import read, tone, write_recording
from vsr.media import container, reader
from vsr.media.container import video_clock
from vsr.media.reader import probe

EVEN = np.arange(75) / 25


@pytest.mark.parametrize("fps", [15, 25, 30, 50, Fraction(30000, 1001)])
@pytest.mark.parametrize("suffix", ["h264", "hevc"])
def test_stream_without_time_stamps_is_counted_by_its_rate(tmp_path, suffix, fps):
    """As some cameras and recorders write them."""
    count = round(3 * fps)
    path = write_recording(tmp_path / f"raw.{suffix}", np.arange(count) / fps, fps=fps)
    numbers, times = read(path)
    assert len(times) == 75 and times[0] == 0
    expected = np.minimum(np.arange(75) / 25 * float(fps), count - 1)
    assert np.abs(np.array(numbers) - expected).max() <= 0.51
    info = probe(path)
    assert (info.fps, info.num_frames, info.start) == (pytest.approx(float(fps)), 75, 0)
    assert info.duration == pytest.approx(count / fps)


@pytest.mark.parametrize("missing", [1, 3, 200])
def test_first_frames_without_time_stamps_are_counted_back(tmp_path, monkeypatch, missing):
    path = write_recording(tmp_path / "v.mp4", EVEN, tone(3.0))
    decoded = reader.decoded_frames

    def unstamped(source, stream):
        for index, frame in enumerate(decoded(source, stream)):
            if index < missing:
                frame.pts = None
            yield frame

    for module in (reader, container):
        monkeypatch.setattr(module, "decoded_frames", unstamped)
    numbers, times = read(path)
    assert numbers == list(range(75))
    np.testing.assert_allclose(times, EVEN, atol=1e-3)
    assert video_clock(path)[1] == pytest.approx(0.0, abs=1e-3)


def test_gap_of_time_stamps_is_filled_by_the_rate(tmp_path, monkeypatch):
    path = write_recording(tmp_path / "v.mkv", EVEN)
    decoded = reader.decoded_frames

    def unstamped(source, stream):
        for index, frame in enumerate(decoded(source, stream)):
            if index % 12 in (5, 6, 7):
                frame.pts = None
            yield frame

    monkeypatch.setattr(reader, "decoded_frames", unstamped)
    assert read(path)[0] == list(range(75))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "flv", "ts"])
@pytest.mark.parametrize("late", [0.4, 5, 15])
def test_video_that_begins_after_the_sound_keeps_its_time(tmp_path, suffix, late):
    """As of cameras that are switched on later in a call."""
    path = write_recording(tmp_path / f"v.{suffix}", late + EVEN, tone(late + 4))
    _, times = read(path)
    assert times[0] == pytest.approx(late, abs=0.05) and len(times) == 75
    info = probe(path)
    assert (info.start, info.num_frames) == (times[0], 75)
    assert info.duration == pytest.approx(3.0, abs=0.05) and info.end == pytest.approx(late + 3, abs=0.1)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "flv"])
@pytest.mark.parametrize("begin", [5, 100, 95_000])
def test_clock_may_begin_anywhere(tmp_path, suffix, begin):
    path = write_recording(tmp_path / f"v.{suffix}", begin + EVEN, tone(3), begin)
    numbers, times = read(path)
    np.testing.assert_allclose(times - times[0], EVEN, atol=2e-3)
    assert times[0] < 0.06 and probe(path).end == pytest.approx(3.0, abs=0.1)


def test_stamps_in_decoding_order_are_corrected(tmp_path):
    """AVI has only those; with H.264, every few frames one would seem to go back."""
    path = write_recording(tmp_path / "v.avi", EVEN, codecs=("libx264", None), options={"bf": "3", "b-pyramid": "2"})
    with av.open(str(path)) as file:
        stamps = [frame.time for frame in file.decode(video=0)]
    assert sum(later <= time for time, later in zip(stamps, stamps[1:], strict=False)) > 10
    numbers, times = read(path)
    np.testing.assert_allclose(np.diff(times), 1 / 25)
    assert len(set(numbers)) >= 70, "some are repeated at the beginning, until this is noticed"
    assert np.abs(np.array(numbers[10:]) - np.arange(10, len(numbers))).max() <= 1


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e4)), min_size=1, max_size=60), st.floats(0.001, 2))
@settings(max_examples=200, deadline=None)
def test_times_always_increase(stamps, step):
    from vsr.media.timestamps import Line, counted_back

    pairs = list(counted_back(enumerate(stamps), step, 0.0))
    assert [item for item, _ in pairs] == list(range(len(stamps)))
    line = Line(pairs[0][1], step)
    seconds = [second for _, stamp in pairs if (second := line.place(stamp)) is not None]
    assert seconds[0] >= 0 and (np.diff(seconds) > 0).all()


def test_concatenated_recordings_have_one_clock(tmp_path):
    single = write_recording(tmp_path / "one.mpg", EVEN, tone(3))
    (tmp_path / "all.mpg").write_bytes(3 * single.read_bytes())
    _, times = read(tmp_path / "all.mpg")
    info = probe(tmp_path / "all.mpg")
    assert info.num_frames == len(times) and info.duration == pytest.approx(9.0, abs=0.15)
    np.testing.assert_allclose(np.diff(times), 1 / 25)
