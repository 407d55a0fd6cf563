"""Frames have the shape that players show, each its own, in whatever way a file is read."""

import io
import struct
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from tests.conftest import talking_face, write_video
from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_video
from vsr.face.pipeline import blocks
from vsr.face.shots import shots
from vsr.inference.live.mouth import MouthStream
from vsr.inference.live.source import open_source
from vsr.media import frame_shape
from vsr.media.frame_shape import fit_into, squared_size, with_sizes
from vsr.media.orientation import UPRIGHT
from vsr.media.reader import frames_from, probe, read_frames

FINE = {"preset": "veryfast", "crf": "8"}


def disc(width, height, pixels=(1.0, 1.0)):
    """A frame (H, W, 3) of a white disc that is round if pixels are (wide, high)."""
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns - width / 2) * pixels[0], (rows - height / 2) * pixels[1]
    inside = np.hypot(x, y) < 0.4 * min(width * pixels[0], height * pixels[1])
    return np.where(inside[..., None], 235, 20).astype(np.uint8).repeat(3, axis=-1)


def roundness(frame):
    """Width over height of the white disc."""
    white = frame.mean(axis=-1) > 128
    return white.any(axis=0).sum() / white.any(axis=1).sum()


def anamorphic(path, size, aspect, count=12, codec="mpeg2video", turned=False, images=None):
    """A video of `size` whose stream gives the pixels' aspect."""
    if images is None:
        images = np.repeat(disc(*size, (float(aspect), 1.0))[None], count, axis=0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"q": "2"} if codec == "mpeg2video" else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        if turned:
            stream.set_display_rotation(90)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def concatenated(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def frames_of(path):
    return [frame for frame, _ in frames_from(path)]


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((360, 288), "64/45", (512, 288)),  # PAL in 16:9, halved
        ((720, 576), "16/15", (768, 576)),
        ((720, 480), "32/27", (853, 480)),
        ((720, 480), "8/9", (640, 480)),
        ((1440, 1080), "4/3", (1280, 720)),  # HDV
    ],
)
@pytest.mark.parametrize("suffix", ["mpg", "mkv", "mp4"])
def test_pixels_become_square(tmp_path, size, aspect, shown, suffix):
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    path = anamorphic(tmp_path / f"v.{suffix}", size, Fraction(aspect), 3, codec)
    info, frames = probe(path), frames_of(path)
    assert (info.width, info.height) == shown == frames[0].shape[1::-1]
    assert roundness(frames[0]) == pytest.approx(1, abs=0.02)


def test_aspect_is_rotated_with_the_frame(tmp_path):
    path = anamorphic(tmp_path / "v.mp4", (360, 288), Fraction(64, 45), 3, "libx264", turned=True)
    assert (probe(path).width, probe(path).height) == (288, 512) == frames_of(path)[0].shape[1::-1]


@pytest.mark.parametrize("aspect", [None, 0, Fraction(1), Fraction(1, 1000), Fraction(500), Fraction(201, 200)])
def test_missing_or_absurd_aspect_is_square(aspect):
    assert squared_size(720, 576, aspect) == (720, 576)


def test_aspect_of_the_container_overrides_that_of_the_codec(tmp_path):
    path = anamorphic(tmp_path / "v.mp4", (360, 288), Fraction(64, 45), 3, "libx264")
    data = bytearray(path.read_bytes())
    position = data.index(b"pasp") + 4
    data[position : position + 8] = struct.pack(">2I", 16, 15)
    path.write_bytes(data)
    assert probe(path).width == 384 == frames_of(path)[0].shape[1]


def test_frames_of_square_pixels_are_unchanged(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mkv", talking_face(3), codec="ffv1", pixel_format="bgr0")
    monkeypatch.setattr(frame_shape, "fit_into", None)
    assert np.array_equal(np.stack(frames_of(path)), talking_face(3))


def test_aspect_changes_with_its_frame(tmp_path):
    wide = anamorphic(tmp_path / "wide.ts", (360, 288), Fraction(64, 45), 15)
    narrow = anamorphic(tmp_path / "narrow.ts", (360, 288), Fraction(16, 15), 15)
    frames = frames_of(concatenated(tmp_path / "both.ts", wide, narrow))
    assert {frame.shape[1] for frame in frames} == {512, 384}
    assert all(roundness(frame) == pytest.approx(1, abs=0.02) for frame in frames)


@pytest.fixture(scope="module")
def rotated_clip(tmp_path_factory):
    """A face in landscape, then in portrait."""
    folder, face = tmp_path_factory.mktemp("turned"), talking_face(30)
    wide = np.pad(face, ((0, 0), (0, 0), (64, 64), (0, 0)))
    high = np.pad(face, ((0, 0), (64, 64), (0, 0), (0, 0)))
    parts = [
        write_video(folder / f"{name}.ts", images, options=FINE) for name, images in (("wide", wide), ("high", high))
    ]
    return concatenated(folder / "turned.ts", *parts)


def test_frame_that_changes_its_shape_begins_a_shot(rotated_clip):
    chunks = [frames.shape[1:3] for frames, _ in read_frames(rotated_clip)]
    assert chunks == [(256, 384), (384, 256)]
    begins = [k for k, (_, begin) in enumerate(shots(frames_of(rotated_clip))) if begin]
    sizes = [frame.shape for frame in frames_of(rotated_clip)]
    assert begins == [0, sizes.index((384, 256, 3))]
    (block,) = blocks(frames_from(rotated_clip), default_detector(), longest=None)
    assert len(block.shots) == 2 and [piece.shot for piece in block.pieces] == [0, 1]
    for piece in block.pieces:
        assert piece.found > 0.9 and np.abs(piece.points.mean(axis=(0, 1)) - [192, 128]).max() < 120


def test_rotated_camera_is_followed_live(rotated_clip):
    images = [frame for frame, _ in open_source_of(rotated_clip)]
    assert {image.shape[:2] for image in images} == {(256, 384), (384, 256)}
    stream = MouthStream(default_detector())
    mouths = [mouth for k, image in enumerate(images) for mouth in stream.add(image, k / 25, 0.0)]
    assert len(mouths) > 45 and stream.person == 1


def open_source_of(path):
    """The frames of a file that is piped as a stream."""
    import sys

    real, sys.stdin = sys.stdin, type("Piped", (), {"buffer": io.BytesIO(path.read_bytes())})()
    try:
        yield from open_source("-")
    finally:
        sys.stdin = real


@pytest.mark.parametrize("order", [(64, 256), (256, 64), (96, 256, 128)])
def test_change_of_resolution_is_no_cut_and_loses_nothing(tmp_path, order):
    """As in calls: the crop follows the same face, as sharp as the frame is."""
    import cv2

    face, parts = talking_face(60), []
    for k, side in enumerate(order):
        images = face[k * 60 // len(order) : (k + 1) * 60 // len(order)]
        small = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])
        parts.append(write_video(tmp_path / f"{k}.ts", small, options=FINE))
    path = concatenated(tmp_path / "call.ts", *parts)
    assert [side for side in dict.fromkeys(frame.shape[0] for frame in frames_of(path))] == list(order)
    (block,) = blocks(frames_from(path), default_detector(), longest=None)
    assert len(block.shots) == 1 and len(block.pieces) == 1
    (piece,) = block.pieces
    whole = crop_video(write_video(tmp_path / "whole.mp4", face))
    count = min(len(piece.crop), len(whole.crop))
    assert piece.found > 0.9 and count >= 55
    difference = np.abs(piece.crop[:count].astype(int) - whole.crop[:count]).mean(axis=(1, 2))
    assert np.median(difference) < 14, difference
    detail = piece.crop.astype(float)[:, 1:-1, 1:-1] - piece.crop.astype(float)[:, :-2, 1:-1]
    sharp = np.abs(detail).mean(axis=(1, 2))
    first, last = sharp[5:15].mean(), sharp[-10:].mean()
    assert (first < last) == (order[0] < order[-1])
    assert piece.zoom > 1.2 or order[0] == max(order)


def test_frames_of_changed_size_are_the_same_after_a_seek(tmp_path):
    for codec, suffix in (("mjpeg", "mkv"),):
        images = [np.full((48, 64, 3), 40, np.uint8)] * 150 + [np.full((96, 64, 3), 160, np.uint8)] * 150
        path = tmp_path / f"v.{suffix}"
        _write_changing(path, images, codec)
        rest = list(islice(frames_from(path), 200, None))
        seeked = list(frames_from(path, rest[0][1]))
        assert {frame.shape[0] for frame, _ in rest} == {96}
        assert [place for _, place in seeked] == [place for _, place in rest]
        assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(seeked, rest, strict=True))


def _write_changing(path, images, codec):
    """Packets of frames of several sizes in one stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuvj420p"
        for index, image in enumerate(images):
            encoder = av.CodecContext.create(codec, "w")
            encoder.height, encoder.width, encoder.pix_fmt = *image.shape[:2], "yuvj420p"
            encoder.time_base = Fraction(1, 25)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            for packet in [*encoder.encode(frame), *encoder.encode()]:
                packet.pts = packet.dts = index
                packet.time_base, packet.stream = Fraction(1, 25), stream
                container.mux(packet)


def test_one_or_two_frames_of_another_shape_are_damage():
    def shape(width, height):
        return frame_shape.FrameShape(width, height, UPRIGHT)

    kinds = [shape(64, 48)] * 4 + [shape(70, 48)] * 2 + [shape(64, 48)] * 3 + [shape(48, 64)] * 3 + [shape(64, 48)]
    sizes = [size for _, _, size in with_sizes((k, kind) for k, kind in enumerate(kinds))]
    assert sizes == [(64, 48)] * 9 + [(48, 64)] * 4


def test_frame_is_fitted_without_being_stretched():
    shown = fit_into(disc(40, 80), (160, 80))
    assert shown.shape == (80, 160, 3) and roundness(shown) == pytest.approx(1, abs=0.1)
    assert (shown[:, :59] == 0).all()


def test_copy_for_browsers_keeps_shape_and_size(tmp_path, rotated_clip):
    from lip2speech.web.media import playable_copy

    small = write_video(tmp_path / "s.ts", np.repeat(disc(64, 48)[None], 20, 0), codec="mpeg2video")
    large = write_video(tmp_path / "l.ts", np.repeat(disc(640, 480)[None], 20, 0), codec="mpeg2video")
    wide = anamorphic(tmp_path / "wide.mpg", (360, 288), Fraction(64, 45), 8)
    for video, size in ((concatenated(tmp_path / "grown.ts", small, large), (640, 480)), (wide, (512, 288))):
        playable_copy(video, tmp_path / "copy.mp4")
        info = probe(tmp_path / "copy.mp4")
        assert (info.width, info.height) == size
        assert all(roundness(frame) == pytest.approx(1, abs=0.06) for frame in frames_of(tmp_path / "copy.mp4"))
    playable_copy(rotated_clip, tmp_path / "copy.mp4")
    assert {frame.shape[:2] for frame in frames_of(tmp_path / "copy.mp4")} == {(256, 384)}
