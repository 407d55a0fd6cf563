"""Of several streams, the one that players show is read everywhere, and which one is reported."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.footage import read, tone, write_recording
from vsr.cli import main
from vsr.inference.live.source import open_source
from vsr.media.container import open_video, video_clock
from vsr.media.reader import probe, read_frames

DARK, BRIGHT = 40, 210


def write_streams(path, *streams, sounds=()):
    """A file of frames: (width, level, frames, disposition, codec) each, one sample of each sound's level after."""
    with av.open(str(path), "w") as container:
        opened_streams = []
        for width, _, _, disposition, codec in streams:
            stream = container.add_stream(codec, rate=25, options={"bf": "0"})
            stream.width, stream.height = width, width * 3 // 4
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            opened_streams.append(stream)
        sound_streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in sounds]
        for stream, (_, disposition) in zip(sound_streams, sounds, strict=True):
            stream.disposition = disposition
        for index in range(max(count for _, _, count, _, _ in streams)):
            for stream, (width, level, count, _, _) in zip(opened_streams, streams, strict=True):
                if index < count:
                    image = np.full((width * 3 // 4, width, 3), level, np.uint8)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream, (level, _) in zip(sound_streams, sounds, strict=True):
            frame = av.AudioFrame.from_ndarray(np.full((1, 16_000), level, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(stream.encode(frame))
        for stream in opened_streams + sound_streams:
            container.mux(stream.encode())
    return path


NONE, DEFAULT = Disposition(0), Disposition.default
SMALL, LARGE = 64, 128
CASES = {
    "the default, not the first": ([(LARGE, DARK, 12, NONE, "libx264"), (SMALL, BRIGHT, 12, DEFAULT, "libx264")], 1),
    "the default, not the second": ([(SMALL, BRIGHT, 12, DEFAULT, "libx264"), (LARGE, DARK, 12, NONE, "libx264")], 0),
    "the largest of two defaults": ([(SMALL, DARK, 12, DEFAULT, "libx264"), (LARGE, BRIGHT, 12, DEFAULT, "mpeg4")], 1),
    "what moves, not a still": ([(LARGE, DARK, 1, DEFAULT, "mjpeg"), (SMALL, BRIGHT, 12, NONE, "libx264")], 1),
    "MJPEG may move": ([(SMALL, DARK, 1, NONE, "libx264"), (SMALL, BRIGHT, 12, DEFAULT, "mjpeg")], 1),
}


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("case", CASES)
def test_stream_that_players_show_is_read(tmp_path, case, suffix):
    streams, chosen = CASES[case]
    path = write_streams(tmp_path / f"two.{suffix}", *streams)
    frames = np.concatenate([frames for frames, _ in read_frames(path)])
    assert abs(frames.mean() - BRIGHT) < 12 and len(frames) == 12
    info = probe(path)
    assert info.width == streams[chosen][0] and info.stream["index"] == chosen and info.stream["of"] == 2
    with open_video(path) as (_, stream):
        assert stream.index == chosen
    assert video_clock(path)[1] == pytest.approx(0, abs=0.05)


def test_without_a_default_the_largest_is_read(tmp_path):
    streams = [(SMALL, DARK, 12, NONE, "mpeg2video"), (LARGE, BRIGHT, 12, NONE, "mpeg2video")]
    path = write_streams(tmp_path / "two.ts", *streams)
    assert (probe(path).width, probe(path).stream["default"]) == (LARGE, False)
    images = [frame for frame, _ in _piped(path)]
    assert images and all(frame.shape[1] == LARGE for frame in images)


def _piped(path):
    """The frames that `vsr live -` gets."""
    import io
    import sys
    from types import SimpleNamespace

    real, sys.stdin = sys.stdin, SimpleNamespace(buffer=io.BytesIO(path.read_bytes()))
    try:
        yield from open_source("-")
    finally:
        sys.stdin = real


def test_single_stream_is_not_reported(face_clip):
    assert probe(face_clip).stream is None


def test_stream_that_was_read_is_reported(tmp_path, face_clip, tiny_model, capsys):
    """In JSON always, and on stderr if the text goes into files."""
    path = tmp_path / "two.mkv"
    with av.open(str(face_clip)) as face, av.open(str(path), "w") as target:
        screen = target.add_stream("libx264", rate=25)
        screen.width, screen.height, screen.pix_fmt, screen.disposition = 64, 64, "yuv420p", NONE
        copied = target.add_stream_from_template(face.streams.video[0])
        copied.disposition = DEFAULT
        for index, packet in enumerate(face.demux(video=0)):
            if packet.dts is not None:
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                target.mux(screen.encode(frame))
                packet.stream = copied
                target.mux(packet)
        target.mux(screen.encode())
    command = ("transcribe", path, "--model", tiny_model, "--format", "json", "--beam", 2)
    assert main([*map(str, command)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["provenance"]["video"]["stream"] == {
        "index": 1, "of": 2, "default": True, "size": [256, 256]
    } and not err  # fmt: skip
    assert main([*map(str, command), "-o", str(tmp_path / "out")]) == 0
    message = f"vsr: {path}: of its 2 videos stream 1 was read (256x256, its default)\n"
    assert message in capsys.readouterr().err
    for verb in (
        ["find", "a", path], ["align", path, "--text", "ab"], ["encode", path, "-o", tmp_path / "states"],
        ["inspect", path, "-o", tmp_path / "page.html"],
    ):  # fmt: skip
        assert main([*map(str, verb), "--model", str(tiny_model)]) == 0
        assert capsys.readouterr().err.count(message) == 1, verb[0]


@pytest.mark.parametrize(
    ("sounds", "level"),
    [
        (((3000, NONE), (9000, DEFAULT)), 9000),
        (((3000, DEFAULT | Disposition.visual_impaired), (9000, DEFAULT)), 9000),
        (((9000, NONE), (3000, Disposition.comment)), 9000),
    ],
)
def test_default_sound_is_read(tmp_path, sounds, level):
    from lip2speech.web.media import recorded_seconds
    from vsr.media.audio import read_wave

    path = write_streams(tmp_path / "film.mkv", (64, DARK, 25, DEFAULT, "libx264"), sounds=sounds)
    assert np.median(read_wave(path)) == pytest.approx(level / 32768, abs=1e-3)
    assert recorded_seconds(path, "audio") == pytest.approx(1.0, abs=0.3)


def test_voice_is_added_to_the_stream_that_was_read(tmp_path):
    from vsr.media.mux.mux import mux

    path = write_streams(
        tmp_path / "two.mkv", (LARGE, DARK, 12, NONE, "libx264"), (SMALL, BRIGHT, 12, DEFAULT, "libx264")
    )
    mux(path, np.zeros(7680, np.float32), tmp_path / "voiced.mkv")
    assert (probe(tmp_path / "voiced.mkv").width, probe(tmp_path / "voiced.mkv").stream) == (SMALL, None)


def with_sound_first(source, out):
    """The streams of a recording in reverse order, copied."""
    with av.open(str(source)) as before, av.open(str(out), "w") as after:
        into = {stream.index: after.add_stream_from_template(stream) for stream in reversed(before.streams)}
        for packet in before.demux():
            if packet.size:
                packet.stream = into[packet.stream.index]
                after.mux(packet)
    return out


B_FRAMES = {"bf": "3", "b-pyramid": "normal"}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_last_frames_are_read_wherever_the_stream_is(tmp_path, suffix):
    """They are asked of its decoder, not of that of stream 0."""
    recording = write_recording(tmp_path / f"film.{suffix}", np.arange(50) / 25, tone(2), options=B_FRAMES)
    path = with_sound_first(recording, tmp_path / f"v.{suffix}")
    assert probe(path).num_frames == 50 and read(path)[0] == list(range(50))


def test_time_code_track_of_a_camera_is_ignored(tmp_path):
    path = write_recording(tmp_path / "v.mov", np.arange(50) / 25, tone(2), options=B_FRAMES, timecode="01:00:00:00")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "data"]
    assert read(path)[0] == list(range(50))
