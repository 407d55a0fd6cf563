"""The video of a voice has the frames that players show, as they show them, in every container that can hold them."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lip2speech.cli import main
from tests.conftest import write_video
from tests.lip2speech.edits import FRAMES, numbered, numbers, write_trimmed
from tests.lip2speech.test_audio import chirp, lag
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave
from vsr.media.mux.listing import list_packets
from vsr.media.mux.mux import check_container, mux
from vsr.media.reader import read_frames

SILENCE = np.zeros(24_000, np.float32)
TRIMMED = {
    "start": {"spans": [(20, 60)]},
    "start of a key frame": {"spans": [(20, 60)], "gop": 20},
    "start of an open group": {"spans": [(20, 60)], "gop": 20, "flags": "open-gop=1"},
    "inside an open group": {"spans": [(21, 60)], "gop": 20, "flags": "open-gop=1"},
    "end": {"spans": [(0, 37)]},
    "both ends": {"spans": [(10, 33)], "bframes": 0},
    "middle": {"spans": [(0, 20), (40, 60)]},
}


@pytest.mark.parametrize("name", TRIMMED)
def test_trimmed_frames_are_not_shown_again(tmp_path, name):
    """In no container, neither after a trim at the start, as of phones, nor after a cut in the middle."""
    video = write_trimmed(tmp_path / "film.mp4", **TRIMMED[name])
    expected = [n for first, stop in TRIMMED[name]["spans"] for n in range(first, stop)]
    assert numbers(video) == expected
    for suffix in ("mp4", "mov", "mkv", "ts", "flv"):
        out = tmp_path / f"voiced.{suffix}"
        mux(video, SILENCE, out)
        assert numbers(out) == expected, suffix
        assert list_packets(out).seconds == pytest.approx(list_packets(video).seconds, abs=0.05), suffix


@pytest.mark.parametrize(("name", "packets"), [("start of an open group", 40), ("end", 37), ("both ends", 33)])
def test_frames_needed_by_no_shown_frame_are_left_out(tmp_path, name, packets):
    video = write_trimmed(tmp_path / "film.mp4", **TRIMMED[name])
    mux(video, SILENCE, tmp_path / "voiced.mp4")
    assert len(list_packets(tmp_path / "voiced.mp4").key) == packets < len(list_packets(video).key)


@pytest.mark.parametrize(("codec", "bframes"), [("libx264", 3), ("libx264", 0), ("libx265", 3)])
def test_raw_stream_gets_time_stamps_by_its_rate(tmp_path, codec, bframes):
    raw = tmp_path / ("film.h264" if codec == "libx264" else "film.hevc")
    options = {"bf": str(bframes), "crf": "10", "x265-params": f"bframes={bframes}:log-level=none"}
    write_video(raw, numbered(), codec=codec, options=options)
    assert list_packets(raw).seconds == pytest.approx(FRAMES / 25)
    for suffix in ("mp4", "mkv", "ts"):
        out = tmp_path / f"voiced.{suffix}"
        mux(raw, SILENCE, out)
        assert numbers(out) == list(range(FRAMES)), suffix
        with av.open(str(out)) as container:
            times = [frame.time for frame in container.decode(video=0)]
        np.testing.assert_allclose(np.diff(times), 1 / 25, atol=0.002)


def write_rotated(path, shape=None, quarter_turns=0, mirrored=False):
    """A landscape whose left third is white, gray at its top, 25 frames; pixels of `shape`, and a tag that rotates and
    mirrors it."""
    image = np.zeros((25, 64, 96, 3), np.uint8)
    image[:, :, :32] = 255
    image[:, :16, :32] = 128
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = shape or Fraction(1)
        if quarter_turns or mirrored:
            stream.set_display_rotation(90 * quarter_turns, hflip=mirrored)
        for frame in image:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def upright(path):
    """The first frame as shown, gray, and the shape of its pixels."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        gray = np.rot90(frame.to_ndarray(format="gray"), round(frame.rotation / 90))
        return gray, float(stream.sample_aspect_ratio or 1)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotated_video_is_upright_in_every_container(tmp_path, turns):
    video = write_rotated(tmp_path / "film.mp4", quarter_turns=turns)
    expected, _ = upright(video)
    assert expected.shape == ((96, 64) if turns % 2 else (64, 96))
    for suffix in ("mp4", "mov", "mkv", "ts", "flv"):
        mux(video, SILENCE, out := tmp_path / f"voiced.{suffix}")
        result, _ = upright(out)
        assert result.shape == expected.shape and np.abs(result.astype(int) - expected).mean() < 4, suffix
    assert not check_container(video, tmp_path / "voiced.mov").again, "copied where it can be"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_mirrored_video_stays_mirrored_in_every_container(tmp_path, turns):
    video = write_rotated(tmp_path / "film.mp4", quarter_turns=turns, mirrored=True)
    (expected, _), plain = next(read_frames(video)), write_rotated(tmp_path / "plain.mp4", quarter_turns=turns)
    assert np.abs(expected[0].astype(int) - next(read_frames(plain))[0][0][:, ::-1]).mean() < 4
    for suffix in ("mp4", "mov", "mkv", "ts", "flv"):
        mux(video, SILENCE, out := tmp_path / f"voiced.{suffix}")
        frames, _ = next(read_frames(out))
        assert frames.shape[1:] == expected.shape[1:] and np.abs(frames[0].astype(int) - expected[0]).mean() < 4, suffix
    assert not check_container(video, tmp_path / "voiced.mov").again, "copied where it can be"


def test_pixels_keep_their_shape(tmp_path):
    video = write_rotated(tmp_path / "film.mp4", Fraction(4, 3))
    for suffix in ("mp4", "mov", "mkv", "ts", "flv"):
        mux(video, SILENCE, out := tmp_path / f"voiced.{suffix}")
        assert upright(out)[1] == pytest.approx(4 / 3, rel=0.02), suffix


@pytest.fixture
def no_work(monkeypatch):
    """Fail if a voice is made."""

    def fail(*args, **kwargs):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("lip2speech.inference.dubbing.speak", fail)
    monkeypatch.setattr("lip2speech.inference.folder.load_model", fail)


@pytest.mark.parametrize("suffix", ["avi", "webm", "flac", "mp3", "gif", "ogg", "foo"])
def test_container_that_cannot_hold_the_video_is_reported_before_the_work(tmp_path, capsys, no_work, suffix):
    video, out = write_video(tmp_path / "film.mp4", numbered()), tmp_path / f"voiced.{suffix}"
    assert main(["speak", str(video), "-o", str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{out}: cannot hold the video of {video}" in line and line.endswith("try .mkv, or .wav for the sound alone")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_refuses_container_that_would_lose_frames_silently(tmp_path):
    video = write_video(tmp_path / "film.avi", numbered(), codec="mjpeg", pixel_format="yuvj420p")
    with pytest.raises(VsrError, match="cannot hold the video .*: try .mkv"):
        mux(video, SILENCE, tmp_path / "voiced.ts")
    assert not (tmp_path / "voiced.ts").exists()


def test_suitable_container_is_suggested(tmp_path):
    video = write_video(tmp_path / "film.gif", numbered(20), codec="gif", pixel_format="rgb8")
    with pytest.raises(VsrError, match="try .mov"):
        mux(video, SILENCE, tmp_path / "voiced.mkv")
    mux(video, SILENCE, tmp_path / "voiced.mov")
    assert len(list_packets(tmp_path / "voiced.mov").key) == 20


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv", "avi"])
def test_sound_is_interleaved_with_its_frames(tmp_path, suffix):
    video = write_video(tmp_path / "film.mp4", numbered(), codec="mpeg4" if suffix == "avi" else "libx264")
    wave, out = chirp(FRAMES / 25), tmp_path / f"voiced.{suffix}"
    mux(video, wave, out)
    assert abs(lag(wave, read_wave(out, FRAMES))) <= 16
    with av.open(str(out)) as container:
        times = {"video": 0.0, "audio": 0.0}
        for packet in container.demux():
            if packet.dts is not None:
                times[packet.stream.type] = float(packet.dts * packet.time_base)
                assert abs(times["video"] - times["audio"]) < 1.0
