"""The number of frames and the parts of a video agree with the reader, and a part is found without reading the rest."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import read, tone, write_recording
from vsr.core.errors import VsrError
from vsr.media import container
from vsr.media.extent import frame_times
from vsr.media.reader import frames_from, probe, read_frames
from vsr.media.resample import Position, frames_between, on_grid

LONG = np.arange(750) / 25


@settings(deadline=None, max_examples=300)
@given(count=st.integers(1, 400), fps=st.sampled_from([5, 10, 12, 15, 24, 25, 30, 50, 59.94, 60, 100, 120, 23.976]))
def test_number_of_frames_agrees_with_the_grid(count, fps):
    shown = list(on_grid(((True, k / fps) for k in range(count)), 1 / fps))
    assert frames_between(0.0, count / fps, 1 / fps) == len(shown)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize(
    ("count", "fps"), [(75, 50), (79, 50), (91, 50), (1, 25), (7, 60), (33, Fraction(30000, 1001)), (41, 24), (9, 10)]
)
def test_number_of_frames_is_what_is_read(tmp_path, suffix, count, fps):
    path = write_recording(tmp_path / f"v.{suffix}", np.arange(count) / fps, fps=fps)
    times = read(path)[1]
    assert probe(path).num_frames == len(times)
    np.testing.assert_allclose(frame_times(path), times, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(steps=st.lists(st.sampled_from([0.02, 0.033, 0.04, 0.1, 0.5, 12.0]), min_size=1, max_size=40))
def test_number_of_frames_is_what_is_read_with_variable_rate_and_gaps(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("variable") / "v.mp4"
    write_recording(path, np.concatenate([[0], np.cumsum(steps)]))
    times = read(path)[1]
    assert probe(path).num_frames == len(times)
    np.testing.assert_allclose(frame_times(path), times, atol=1e-9)


def test_large_file_is_measured_without_reading_it(tmp_path, monkeypatch):
    for suffix in ("mp4", "mkv"):
        path = write_recording(tmp_path / f"v.{suffix}", 100 + LONG, tone(40), 100.0)
        exact = probe(path)
        with monkeypatch.context() as patch:
            patch.setattr("vsr.media.extent.SMALL", 100)
            assert probe(path).num_frames == exact.num_frames == 750
            assert probe(path).duration == pytest.approx(exact.duration, abs=2e-3)


CONTAINERS = ["mp4", "mkv", "webm", "ts", "gap.mkv", "open gop.mp4", "late.mp4", "refresh.mkv"]


@pytest.fixture(params=CONTAINERS, scope="module")
def recording(request, tmp_path_factory):
    """(path, frames, times of all frames) of thirty seconds."""
    path = tmp_path_factory.mktemp("film") / f"film.{request.param}"
    options = {
        "open gop.mp4": {"g": "50", "x264-params": "open-gop=1:bframes=3"},
        "refresh.mkv": {"g": "50", "x264-params": "intra-refresh=1"}, "webm": {"g": "40"},
    }  # fmt: skip
    times = {"gap.mkv": np.r_[LONG[:200], LONG[200:] + 14.013], "late.mp4": LONG + 6.5}.get(request.param, LONG)
    write_recording(path, times, tone(8), options=options.get(request.param, {"g": "60"}))
    frames, seconds = (np.concatenate(each) for each in zip(*read_frames(path), strict=True))
    return path, frames, seconds


@pytest.mark.parametrize(("start", "end"), [(0, 1.2), (3.0, 4.4), (8.1, 9), (11.111, 12.5), (20, 26.02), (26.02, 0)])
def test_part_has_exactly_the_frames_of_its_time(recording, start, end):
    path, frames, seconds = recording
    first = seconds[0]
    expected = np.round((seconds - first) * 25) >= max(0, round((start - first) * 25))
    expected &= np.round((seconds - first) * 25) < (round((end - first) * 25) if end else 1e9)
    if not expected.any():
        with pytest.raises(VsrError, match=f"has no frames from {start:.2f} "):
            list(read_frames(path, start=start, end=end))
        assert len(frame_times(path, start, end)) == 0
        return
    part, times = (np.concatenate(each) for each in zip(*read_frames(path, start=start, end=end), strict=True))
    np.testing.assert_allclose(times, seconds[expected], atol=1e-9)
    assert np.array_equal(part, frames[expected])
    np.testing.assert_allclose(frame_times(path, start, end), times, atol=1e-9)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_part_is_found_by_the_index(tmp_path, monkeypatch, suffix):
    path = write_recording(tmp_path / f"v.{suffix}", np.arange(2500) / 25, options={"g": "50"})
    decoded, safe = [], container.safe_packets

    def counting(source, stream):
        for packet in safe(source, stream):
            decoded.append(1)
            yield packet

    monkeypatch.setattr(container, "safe_packets", counting)
    numbers, times = read(path, start=90.0, end=91.0)
    assert len(numbers) == 25 and times[0] == pytest.approx(90, abs=1e-3) and len(decoded) < 300


def test_concatenated_matroska_files_are_not_seeked_in(tmp_path):
    """The first file's index would lead to wrong frames."""
    first = write_recording(tmp_path / "one.mkv", LONG, options={"g": "50"})
    second = write_recording(tmp_path / "other.mkv", np.arange(500) / 25, options={"g": "50"})
    (tmp_path / "all.mkv").write_bytes(first.read_bytes() + second.read_bytes())
    all_frames = list(frames_from(tmp_path / "all.mkv"))
    assert len(all_frames) == pytest.approx(1250, abs=2)
    for index in (650, 1000):
        resumed = list(frames_from(tmp_path / "all.mkv", Position(0.0, index)))
        assert [place for _, place in resumed] == [place for _, place in all_frames[index:]]
        assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(resumed, all_frames[index:], strict=True))
