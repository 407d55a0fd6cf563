"""Recordings of any kind are read, no file opens another one or the network, and other kinds are named in one line."""

import socket
import threading
import wave as riff
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave, write_wave
from vsr.media.formats import FORMATS
from vsr.media.reader import probe, read_frames

OPENS_OTHERS = {
    "hls", "applehttp", "dash", "imf", "concat", "webm_dash_manifest", "sdp", "rtsp", "rtp", "sap", "vobsub", "mlv",
    "image2pipe", "lavfi", "avisynth", "vapoursynth", "v4l2", "video4linux2", "alsa", "x11grab", "fbdev", "kmsgrab",
    "dvdvideo", "bluray", "ffmetadata", "tedcaptions", "txd", "data", "rawvideo",
}  # fmt: skip


def tone(seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(16_000 * seconds)) / 16_000)).astype(np.float32)


def sphere_file(path, samples, coding="pcm", magic=b""):
    """A SPHERE file, as of TIMIT."""
    lines = (
        "NIST_1A\n   1024\n", "channel_count -i 1\n", f"sample_count -i {len(samples)}\n", "sample_rate -i 16000\n",
        "sample_n_bytes -i 2\n", "sample_byte_format -s2 01\n", "sample_sig_bits -i 16\n",
        f"sample_coding -s{len(coding)} {coding}\n", "end_head\n",
    )  # fmt: skip
    path.write_bytes("".join(lines).encode().ljust(1024) + magic + samples.astype("<i2").tobytes())
    return path


def refusal(path, read=probe):
    with pytest.raises(VsrError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_allowed_formats_exist_and_open_no_other_file():
    kinds = FORMATS.split(",")
    assert len(set(kinds)) == len(kinds)
    assert not set(kinds) & OPENS_OTHERS
    aliases = {"obu", "ivf", "mj2", "m4a", "vob"}  # names within a list, or under another name
    assert {kind for kind in kinds if kind not in av.formats_available} <= aliases


@pytest.mark.parametrize(
    ("name", "codec"),
    [("x.caf", "pcm_s16le"), ("x.au", "pcm_s16be"), ("x.wv", "wavpack"), ("x.eac3", "eac3"), ("x.tta", "tta"),
     ("x.voc", "pcm_u8"), ("x.sox", "pcm_s32le"), ("x.w64", "pcm_s16le"), ("x.dts", "dca")],
)  # fmt: skip
def test_sound_of_every_kind_is_read(tmp_path, name, codec):
    path, rate = tmp_path / name, 48_000 if codec in ("dca", "eac3") else 16_000
    samples = (np.repeat(tone(), rate // 16_000) * 32767).astype(np.int16)
    try:
        with av.open(str(path), "w") as container:
            options = {"strict": "-2"}
            stream = container.add_stream(codec, rate=rate, options=options, layout="stereo")
            frame = av.AudioFrame.from_ndarray(samples.repeat(2)[None], format="s16", layout="stereo")
            frame.sample_rate, frame.pts = rate, 0
            resampler = av.AudioResampler(stream.format, "stereo", rate, stream.frame_size or None)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode())
    except (ValueError, av.error.FFmpegError) as error:
        pytest.skip(f"this FFmpeg cannot write {name}: {error}")
    wave = read_wave(path)
    assert len(wave) == pytest.approx(16_000, rel=0.15)
    assert np.sqrt((wave[2000:-4000] ** 2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_sphere_file_of_timit_is_read(tmp_path):
    samples = tone() * 32767
    wave = read_wave(sphere_file(tmp_path / "TIMIT.WAV", samples))
    assert np.abs(wave - tone()).max() < 1e-3


@pytest.mark.parametrize("coding", ["pcm,embedded-shorten-v2.00", "pcm,embedded-wavpack"])
def test_refuses_compressed_sphere(tmp_path, coding):
    noise = np.random.default_rng(0).integers(-20_000, 20_000, 16_000)
    error = refusal(sphere_file(tmp_path / "x.wav", noise, coding, b"ajkg\x02"), read_wave)
    assert error.reason == "no_sound" and "write it again as .wav" in str(error)


@pytest.mark.parametrize(("name", "codec"), [("v.h261", "h261"), ("v.h263", "h263"), ("v.gxf", "mpeg2video")])
def test_video_of_every_kind_is_opened(tmp_path, name, codec):
    path = tmp_path / name
    size = (720, 576) if name == "v.gxf" else (352, 288)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(20):
            image = np.full((size[1], size[0], 3), 20 + 10 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path), options={"format_whitelist": FORMATS}) as container:
        assert container.streams.video


@pytest.fixture
def server():
    """A server on this machine that notes connections: (port, connections)."""
    listening, connections = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                connections.append(listening.accept())
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1], connections
    listening.close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{}'\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet>'
    "</Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=x:{}\n",
    "asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
    "pls": "[playlist]\nFile1={}\n",
    "smil": '<smil><body><video src="{}"/></body></smil>',
}


@pytest.mark.parametrize("suffix", ["m3u8", "mp4", "ts", "mpd", "ffconcat", "sdp", "wav"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_no_playlist_opens_another_file_or_the_network(tmp_path, face_clip, server, kind, suffix):
    port, connections = server
    for target in (face_clip.name, str(face_clip), f"file:{face_clip}", f"http://127.0.0.1:{port}/clip.ts"):
        path = tmp_path / f"list.{suffix}"
        path.write_text(PLAYLISTS[kind].format(target), encoding="utf-8")
        (tmp_path / face_clip.name).write_bytes(face_clip.read_bytes())
        for read in (probe, read_wave, lambda path: list(read_frames(path))):
            error = refusal(path, read)
            assert error.reason == "unreadable"
            assert "this kind of file (a playlist) is not read" in str(error), error
    assert not connections


def test_name_with_a_pattern_is_one_file(tmp_path):
    for index in (0, 1, 2, "%03d", "%d*"):
        with av.open(str(tmp_path / "one.png"), "w", format="image2", options={"update": "1"}) as container:
            stream = container.add_stream("png", rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
            level = index if isinstance(index, int) else 9
            image = np.full((32, 32, 3), 20 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        name = f"shot{index:03d}.png" if isinstance(index, int) else f"shot{index}.png"
        (tmp_path / "one.png").rename(tmp_path / name)
    for name in ("shot%03d.png", "shot%d*.png"):
        ((frames, _),) = read_frames(tmp_path / name)
        assert frames.shape == (1, 32, 32, 3) and frames.mean() == 180


def test_movie_that_refers_to_another_file_does_not_open_it(tmp_path, face_clip):
    """QuickTime's data references (alis, url)."""
    data = bytearray(face_clip.read_bytes())
    position = data.index(b"url \x00\x00\x00\x01")
    data[position + 4 : position + 8] = b"\0\0\0\0"  # not in this file
    (tmp_path / "refers.mov").write_bytes(data)
    try:
        list(read_frames(tmp_path / "refers.mov"))
    except VsrError as error:
        assert error.reason == "unreadable"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"<!DOCTYPE html>\n<html><head>", "(a web page) is not read"),
        (b"\xef\xbb\xbf <HTML>", "(a web page) is not read"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "(a Git LFS pointer) is not read"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "(subtitles) is not read"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "(subtitles) is not read"),
        (b"PK\x03\x04" + bytes(64), "(an archive) is not read"),
        (b"MODSN3\x0a\0" + bytes(200), "this kind of file is not read"),
    ],
)
def test_file_that_is_no_recording_is_named(tmp_path, head, message):
    path = tmp_path / ("x.mods" if head.startswith(b"MODS") else "x.mp4")
    path.write_bytes(head)
    error = refusal(path)
    assert error.reason == "unreadable" and message in str(error) and "Invalid argument" not in str(error)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://host/c.mp4", "https://host/c.mp4: addresses are not read: fetch the file first"),
        ("rtsp://cam/1", "rtsp://cam/1: addresses are not read: fetch the file first (a stream: vsr live)"),
        ("-", "-: standard input is not read: save it as a file first (a stream: vsr live -)"),
        ("shots/%04d.png", "shots/%04d.png: numbered pictures are not read: make a video of them first (ffmpeg "),
        ("file:///tmp/no%20such.mp4", "file:///tmp/no%20such.mp4: is an address: give the path, /tmp/no such.mp4"),
    ],
)
def test_name_that_is_no_path_is_refused_with_what_to_do(kind, address, message):
    for read in (probe, read_wave):
        assert str(refusal(kind(address), read)).startswith(message)


def test_address_is_one_line_of_transcribe(tiny_model, capsys):
    assert main(["transcribe", "https://host/c.mp4", "--model", str(tiny_model)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.count("https://host/c.mp4") == 1 and "no such file" not in line


def test_name_with_colons_is_no_address(tmp_path):
    write_wave(tmp_path / "2026-11-28T10:30:00.wav", tone())
    assert len(read_wave(tmp_path / "2026-11-28T10:30:00.wav")) == 16_000
    assert "no such file" in str(refusal("2026-11-28T10:30:00_absent.mp4"))


def test_ordinary_wav_is_read_in_full(tmp_path):
    write_wave(tmp_path / "a.wav", tone())
    with riff.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() == len(read_wave(tmp_path / "a.wav"))
