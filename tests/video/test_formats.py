"""Files of any format are read on the clock of the original, and alike from the middle and from the start."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.media.reader import frames_from, probe, read_frames

SECONDS = 6
CASES = {
    "H.264 mp4": ("mp4", "libx264", "yuv420p", 25),
    "H.264 10 bit mkv": ("mkv", "libx264", "yuv420p10le", 24),
    "H.264 stream": ("ts", "libx264", "yuv420p", 50),
    "HEVC mov": ("mov", "libx265", "yuv420p", 60),
    "HEVC 10 bit mp4": ("mp4", "libx265", "yuv420p10le", 30),
    "VP9 webm": ("webm", "libvpx-vp9", "yuv420p", 30),
    "AV1 10 bit webm": ("webm", "libsvtav1", "yuv420p10le", 25),
    "AV1 mp4": ("mp4", "libsvtav1", "yuv420p", Fraction(24000, 1001)),
    "MPEG-1": ("mpg", "mpeg1video", "yuv420p", 25),
    "MPEG-2": ("mpg", "mpeg2video", "yuv420p", Fraction(30000, 1001)),
    "MJPEG avi": ("avi", "mjpeg", "yuvj420p", 12),
    "MJPEG mov, 120 a second": ("mov", "mjpeg", "yuvj422p", 120),
    "ProRes": ("mov", "prores_ks", "yuv422p10le", 25),
    "MPEG-4 avi, 5 a second": ("avi", "mpeg4", "yuv420p", 5),
    "lossless mkv": ("mkv", "ffv1", "yuv444p", 50),
    "animated gif": ("gif", "gif", "rgb8", 10),
}
OPTIONS = {"libx264": {"preset": "veryfast"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
           "libsvtav1": {"preset": "8", "crf": "18"}, "libvpx-vp9": {"deadline": "realtime"}}  # fmt: skip


def numbered(count, width=128, height=64):
    """Frames (count, height, width, 3) with eight black or white fields that spell their number modulo 256."""
    bits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    fields = bits.reshape(count, 2, 4).astype(np.uint8) * 200 + 25
    rows, columns = np.arange(height) * 2 // height, np.arange(width) * 4 // width
    return fields[:, rows][:, :, columns][..., None].repeat(3, axis=-1)


def number_of(frame):
    """The number that is drawn in a frame."""
    height, width = frame.shape[:2]
    rows = ((np.arange(2) + 0.5) * height / 2).astype(int)
    columns = ((np.arange(4) + 0.5) * width / 4).astype(int)
    return int(((frame[rows][:, columns, 0].ravel() > 128) << np.arange(8)).sum())


@pytest.fixture(params=CASES, scope="module")
def recording(request, tmp_path_factory, make_video):
    """(path, frames a second) of six numbered seconds."""
    suffix, codec, pixel_format, fps = CASES[request.param]
    path = tmp_path_factory.mktemp("formats") / f"video.{suffix}"
    images = numbered(round(SECONDS * fps))
    try:
        make_video(path, images, fps, codec, pixel_format, options=OPTIONS.get(codec))
    except ValueError as error:
        pytest.skip(f"this FFmpeg cannot write {request.param}: {error}")
    return path, float(fps)


def test_each_instant_shows_its_frame(recording):
    path, fps = recording
    frames, times = (np.concatenate(parts) for parts in zip(*read_frames(path), strict=True))
    assert abs(len(frames) - SECONDS * 25) <= 2
    np.testing.assert_allclose(np.diff(times), 1 / 25, atol=1e-6)
    for frame, time in zip(frames, times, strict=True):
        position = time * fps
        neighbours = {round(position + shift) % 256 for shift in (-0.55, 0.0, 0.55)}
        assert number_of(frame) in neighbours, (time, number_of(frame), neighbours)
    assert probe(path).fps == pytest.approx(fps, rel=0.02)
    # MPEG program streams do not say how long they are: FFmpeg guesses by the last time stamps that it finds.
    assert probe(path).duration == pytest.approx(SECONDS, abs=1.0 if path.suffix == ".mpg" else 0.3)


@pytest.mark.parametrize("index", [3, 110])
def test_frames_from_the_middle_are_the_same(recording, index):
    path, _ = recording
    rest = list(islice(frames_from(path), index, None))
    seeked = list(frames_from(path, rest[0][1]))
    assert [place for _, place in seeked] == [place for _, place in rest]
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(seeked, rest, strict=True))


@pytest.mark.parametrize("size", [(97, 61), (33, 120)])
@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [("mkv", "ffv1", "yuv444p"), ("webm", "libvpx-vp9", "yuv420p"), ("gif", "gif", "rgb8")],
)
def test_frames_of_odd_sizes_are_read(tmp_path, make_video, size, suffix, codec, pixel_format):
    images = numbered(15, *size)
    path = make_video(tmp_path / f"odd.{suffix}", images, 25, codec, pixel_format, options=OPTIONS.get(codec))
    frames = np.concatenate([frames for frames, _ in read_frames(path)])
    assert frames.shape[1:] == images.shape[1:]
    assert [number_of(frame) for frame in frames] == list(range(15))


@pytest.mark.parametrize(("suffix", "codec", "pixel_format"), [("png", "png", "rgb24"), ("jpg", "mjpeg", "yuvj420p")])
def test_still_image_is_one_frame_and_too_short_to_crop(tmp_path, make_face, make_video, suffix, codec, pixel_format):
    from vsr.face.mouth_crop import crop_video

    path = make_video(tmp_path / f"still.{suffix}", make_face(1), 25, codec, pixel_format)
    ((frames, times),) = read_frames(path)
    assert frames.shape == (1, 256, 256, 3) and times[0] == 0
    with pytest.raises(VsrError) as caught:
        crop_video(path)
    assert caught.value.reason == "too_short" and "is one picture" in str(caught.value)
