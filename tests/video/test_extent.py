"""The number of frames and the parts of a video are those of the reader, and a part is found without the rest."""

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
def test_frames_of_a_length_are_those_of_the_grid(count, fps):
    shown = list(on_grid(((True, k / fps) for k in range(count)), 1 / fps))
    assert frames_between(0.0, count / fps, 1 / fps) == len(shown)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize(
    ("count", "fps"), [(75, 50), (79, 50), (91, 50), (1, 25), (7, 60), (33, Fraction(30000, 1001)), (41, 24), (9, 10)]
)
def test_the_number_of_frames_is_what_is_read(tmp_path, suffix, count, fps):
    path = write_recording(tmp_path / f"v.{suffix}", np.arange(count) / fps, fps=fps)
    times = read(path)[1]
    assert probe(path).num_frames == len(times)
    np.testing.assert_allclose(frame_times(path), times, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(steps=st.lists(st.sampled_from([0.02, 0.033, 0.04, 0.1, 0.5, 12.0]), min_size=1, max_size=40))
def test_so_it_is_for_variable_rates_and_gaps(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("variable") / "v.mp4"
    write_recording(path, np.concatenate([[0], np.cumsum(steps)]))
    times = read(path)[1]
    assert probe(path).num_frames == len(times)
    np.testing.assert_allclose(frame_times(path), times, atol=1e-9)


def test_a_large_file_is_not_read_to_be_measured(tmp_path, monkeypatch):
    for suffix in ("mp4", "mkv"):
        path = write_recording(tmp_path / f"v.{suffix}", 100 + LONG, tone(40), 100.0)
        exact = probe(path)
        with monkeypatch.context() as patch:
            patch.setattr("vsr.media.extent.SMALL", 100)
            assert probe(path).num_frames == exact.num_frames == 750
            assert probe(path).duration == pytest.approx(exact.duration, abs=2e-3)


FILMS = ["mp4", "mkv", "webm", "ts", "gap.mkv", "open gop.mp4", "late.mp4", "refresh.mkv"]


@pytest.fixture(params=FILMS, scope="module")
def film(request, tmp_path_factory):
    """(path, numbers and times of all frames) of thirty seconds."""
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
def test_a_part_has_just_the_frames_of_its_time(film, start, end):
    path, frames, seconds = film
    first = seconds[0]
    wanted = np.round((seconds - first) * 25) >= max(0, round((start - first) * 25))
    wanted &= np.round((seconds - first) * 25) < (round((end - first) * 25) if end else 1e9)
    if not wanted.any():
        with pytest.raises(VsrError, match=f"has no frames from {start:.2f} "):
            list(read_frames(path, start=start, end=end))
        assert len(frame_times(path, start, end)) == 0
        return
    own, times = (np.concatenate(each) for each in zip(*read_frames(path, start=start, end=end), strict=True))
    np.testing.assert_allclose(times, seconds[wanted], atol=1e-9)
    assert np.array_equal(own, frames[wanted])
    np.testing.assert_allclose(frame_times(path, start, end), times, atol=1e-9)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_part_is_found_by_the_index(tmp_path, monkeypatch, suffix):
    path = write_recording(tmp_path / f"v.{suffix}", np.arange(2500) / 25, options={"g": "50"})
    decoded, safe = [], container.safe_packets

    def counting(source, stream):
        for packet in safe(source, stream):
            decoded.append(1)
            yield packet

    monkeypatch.setattr(container, "safe_packets", counting)
    numbers, times = read(path, start=90.0, end=91.0)
    assert len(numbers) == 25 and times[0] == pytest.approx(90, abs=1e-3) and len(decoded) < 300


def test_recordings_of_matroska_put_together_are_not_jumped_in(tmp_path):
    """The index of the first would lead into either."""
    one = write_recording(tmp_path / "one.mkv", LONG, options={"g": "50"})
    other = write_recording(tmp_path / "other.mkv", np.arange(500) / 25, options={"g": "50"})
    (tmp_path / "all.mkv").write_bytes(one.read_bytes() + other.read_bytes())
    whole = list(frames_from(tmp_path / "all.mkv"))
    assert len(whole) == pytest.approx(1250, abs=2)
    for index in (650, 1000):
        again = list(frames_from(tmp_path / "all.mkv", Position(0.0, index)))
        assert [place for _, place in again] == [place for _, place in whole[index:]]
        assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(again, whole[index:], strict=True))
