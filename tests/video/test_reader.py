"""The reader keeps the clock whatever the file's frame rate, and refuses what it cannot read with a reason."""

import random
import struct

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.core.errors import CLIP_REASONS, VsrError
from vsr.media import reader
from vsr.media import resample as grid
from vsr.media.reader import probe, read_frames


def gray_levels(count, width=64, height=48):
    """Frames (count, height, width, 3) whose level is their number."""
    levels = np.linspace(20, 235, count).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def read_all(path, **options):
    chunks = list(read_frames(path, **options))
    return np.concatenate([frames for frames, _ in chunks]), np.concatenate([times for _, times in chunks])


def refusal(path):
    with pytest.raises(VsrError) as caught:
        read_all(path)
    assert caught.value.reason in CLIP_REASONS and "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("fps", [5, 10, 12, 24, 25, 30, 50, 60])
@pytest.mark.parametrize("count", [1, 7, 31])
def test_any_frame_rate_gives_25_frames_a_second(tmp_path, make_video, fps, count):
    path = make_video(tmp_path / "v.mp4", gray_levels(count), fps=fps)
    frames, times = read_all(path)
    assert abs(len(frames) - count / fps * 25) <= 0.51 or len(frames) == 1
    np.testing.assert_allclose(times, np.arange(len(frames)) / 25, atol=1e-3)
    shown = np.clip(np.round(times * fps), 0, count - 1).astype(int)
    assert np.abs(frames.mean(axis=(1, 2, 3)) - gray_levels(count)[shown, 0, 0, 0]).max() < 216 / count + 4


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0.002, 2.0), min_size=1, max_size=40))
def test_each_instant_shows_the_nearest_frame(steps):
    stamps = np.concatenate([[0.0], np.cumsum(steps)])
    shown = list(grid.on_grid(((index, stamp) for index, stamp in enumerate(stamps)), steps[0]))
    for index, (image, place) in enumerate(shown):
        time = place.time
        assert time == pytest.approx(index / 25)
        assert abs(stamps[image] - time) <= np.abs(stamps - time).min() + 1e-6
    assert abs(len(shown) - (stamps[-1] + steps[-1]) * 25) <= 1 + 1e-4


def test_long_jump_of_time_stamps_does_not_repeat_a_frame():
    shown = list(grid.on_grid(iter([("a", 0.0), ("b", 0.04), ("c", 1e9), ("d", 1e9 + 0.04)]), 0.04))
    assert [image for image, _ in shown] == ["a", "b", "c", "d"]
    assert shown[2][1].time == 1e9


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_concatenated_recordings_are_read_to_the_end(tmp_path, make_video, parts):
    single = make_video(tmp_path / "one.mpg", gray_levels(50), codec="mpeg1video").read_bytes()
    (tmp_path / "all.mpg").write_bytes(parts * single)
    frames, times = read_all(tmp_path / "all.mpg")
    np.testing.assert_allclose(np.diff(times), 1 / 25)
    assert abs(len(frames) - 50 * parts) <= parts
    middle = frames.mean(axis=(1, 2, 3))[25::50]
    np.testing.assert_allclose(middle, gray_levels(50)[25].mean(), atol=12)


def test_frame_with_a_damaged_time_is_left_out(tmp_path, make_video, monkeypatch):
    path = make_video(tmp_path / "v.mp4", gray_levels(75))
    decoded = reader.decoded_frames

    def with_wrong_times(container, stream):
        for index, frame in enumerate(decoded(container, stream)):
            frame.pts = {40: 0, 60: frame.pts // 4}.get(index, frame.pts)
            yield frame

    monkeypatch.setattr(reader, "decoded_frames", with_wrong_times)
    np.testing.assert_allclose(read_all(path)[1], np.arange(75) / 25, atol=1e-3)


def test_variable_frame_rate_keeps_the_time_stamps(tmp_path, make_video):
    stamps = [0.0, 0.04, 0.08, 0.48, 0.52, 0.56, 1.0]
    frames, times = read_all(make_video(tmp_path / "v.mp4", gray_levels(7), times=stamps))
    levels = gray_levels(7)[:, 0, 0, 0].astype(float)
    nearest = [np.abs(np.array(stamps) - time).argmin() for time in times]
    assert np.abs(frames.mean(axis=(1, 2, 3)) - levels[nearest]).max() < 40  # 0.28 s lies between two
    assert len(frames) >= 26


def test_chunks_are_bounded_and_join_seamlessly(tmp_path, make_video, monkeypatch):
    path = make_video(tmp_path / "v.mp4", gray_levels(30))
    whole, times = read_all(path)
    assert [len(frames) for frames, _ in read_frames(path, chunk_frames=8)] == [8, 8, 8, 6]
    np.testing.assert_array_equal(read_all(path, chunk_frames=7)[0], whole)
    monkeypatch.setattr(reader, "CHUNK_BYTES", 3 * whole[0].nbytes)
    assert max(len(frames) for frames, _ in read_frames(path)) == 3
    assert times[-1] == pytest.approx(29 / 25)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [
        ("libx264", "gray", "mp4"),
        ("libx264", "yuv420p10le", "mkv"),
        ("libx264", "yuv444p", "mp4"),
        ("mpeg1video", "yuv420p", "mpg"),
        ("mpeg4", "yuv420p", "avi"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("mjpeg", "yuvj420p", "mov"),
    ],
)
def test_codecs_and_pixel_formats_are_read(tmp_path, make_video, codec, pixel_format, suffix):
    path = tmp_path / f"v.{suffix}"
    try:
        make_video(path, gray_levels(20), codec=codec, pixel_format=pixel_format)
    except (av.error.FFmpegError, ValueError):
        pytest.skip(f"this FFmpeg cannot encode {codec} {pixel_format}")
    frames, _ = read_all(path)
    assert frames.shape[1:] == (48, 64, 3) and abs(len(frames) - 20) <= 1
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3))[:19], gray_levels(20)[:19, 0, 0, 0], atol=20)


def test_4k_is_scaled_while_reading(tmp_path, make_video):
    path = make_video(tmp_path / "v.mp4", gray_levels(3, 3840, 2160), codec="mpeg4")
    frames, _ = read_all(path)
    assert frames.shape == (3, 720, 1280, 3)
    assert (probe(path).width, probe(path).height) == (1280, 720)


def with_rotation(path, degrees, mirrored=False):
    """Set the display matrix of an mp4's track: swap left and right if mirrored, then turn clockwise by `degrees`."""
    one = 1 << 16
    cos, sin = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    side = -1 if mirrored else 1
    matrix = struct.pack(">9i", side * cos, side * sin, 0, -sin, cos, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = matrix
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_tag_turns_the_frame_upright(tmp_path, make_video, degrees, mirrored):
    """A film of oneself was turned upside down where its matrix mirrors it, too."""
    upright = np.full((5, 48, 64, 3), 40, np.uint8)
    upright[:, :16, :32] = 220  # a mark in the upper left
    stored = np.rot90(upright, degrees // 90, axes=(1, 2))
    stored = np.ascontiguousarray(stored[:, :, ::-1] if mirrored else stored)
    path = with_rotation(make_video(tmp_path / "v.mp4", stored), degrees, mirrored)
    frames, _ = read_all(path)
    assert frames.shape == upright.shape
    assert np.abs(frames.astype(int) - upright).mean() < 8
    assert (probe(path).width, probe(path).height) == (64, 48)


def test_probe_gives_the_real_rate(tmp_path, make_video):
    info = probe(make_video(tmp_path / "v.mp4", gray_levels(60), fps=30))
    assert (info.fps, info.num_frames, info.width, info.height) == (pytest.approx(30), 50, 64, 48)
    assert info.duration == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"This is no video.\n" * 50),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/clip.ts\n"),
        ("subtitle.mp4", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"),
        ("empty.mp4", b""),
        ("noise.mp4", bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))),
    ],
)
def test_refuses_file_that_is_no_video(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name) == "unreadable"


def test_refuses_missing_file_and_folder(tmp_path):
    assert refusal(tmp_path / "missing.mp4") == "unreadable"
    assert refusal(tmp_path) == "unreadable"


def test_refuses_sound_without_video(tmp_path, make_sound):
    assert refusal(make_sound(tmp_path / "a.mp4")) == "no_video"


def with_index_first(path, target):
    """Remux an mp4 with its index before the frames, so that a truncated copy can be opened."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    return target


@pytest.mark.parametrize("index_first", [False, True])
def test_refuses_truncated_file(tmp_path, make_video, index_first):
    images = np.random.default_rng(0).integers(0, 256, (75, 48, 64, 3), dtype=np.uint8)
    path = make_video(tmp_path / "v.mp4", images)
    if index_first:
        path = with_index_first(path, tmp_path / "first.mp4")
        assert len(read_all(path)[0]) == 75
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert refusal(path) == "unreadable"


def test_damaged_file_is_read_or_refused(tmp_path, make_video):
    rng = random.Random(0)
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    for suffix, codec in (("mp4", "libx264"), ("mpg", "mpeg1video"), ("avi", "mpeg4")):
        intact = make_video(tmp_path / f"good.{suffix}", images, codec=codec).read_bytes()
        for _ in range(25):
            data = bytearray(intact)
            for _ in range(rng.choice([1, 8, 60])):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path = tmp_path / f"bad.{suffix}"
            path.write_bytes(data)
            try:
                frames, _ = read_all(path)
                assert len(frames) < 2000
            except VsrError as error:
                assert error.reason in CLIP_REASONS
