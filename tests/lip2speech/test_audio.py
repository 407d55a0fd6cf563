"""Sound is on the video's clock, in every container."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.media.audio import fit_length, read_wave, write_wave
from vsr.media.mux.mux import mux


def chirp(seconds, seed=0):
    """A sound that can be located to the sample: smooth noise with a slow envelope."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    noise = np.convolve(rng.normal(size=count + 64), np.hanning(64) / 32, "valid")[:count]
    return (0.3 * noise * (1 + np.sin(np.arange(count) / 1500)) / 2).astype(np.float32)


def write_video_with_sound(path, wave, frames, codecs, sound_start=0.0, video_start=0.0, rate=44_100):
    """A video whose sound and frame begin at the given time stamps, seconds."""
    import av
    from scipy.signal import resample_poly

    video_codec, audio_codec = codecs
    samples = resample_poly(wave, rate, SAMPLE_RATE).astype(np.float32)
    with av.open(str(path), "w") as container:
        image = container.add_stream(video_codec, rate=25)
        image.width = image.height = 64
        image.pix_fmt = "yuv420p"
        sound = container.add_stream(audio_codec, rate=rate, layout="mono")
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * index % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + round(video_start * 25), Fraction(1, 25)
            container.mux(image.encode(frame))
        container.mux(image.encode())
        for position in range(0, len(samples), 1024):
            piece = (samples[None, position : position + 1024] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = position + round(sound_start * rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def lag(reference, wave):
    """Samples by which `wave` comes later than `reference`."""
    size = 2 * max(len(reference), len(wave))
    spectrum = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(wave, size)
    correlation = np.fft.irfft(spectrum, size)
    return int((np.argmax(correlation) + size // 2) % size - size // 2)


CODECS = {
    "film.mp4": ("libx264", "aac"),
    "film.mkv": ("libx264", "aac"),
    "film.webm": ("libvpx", "libopus"),
    "film.mpg": ("mpeg1video", "mp2"),
}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_sound_is_read_within_a_millisecond_of_its_place(tmp_path, name, late):
    rate = 48_000 if name.endswith("webm") else 44_100
    wave = chirp(1.5)
    path = write_video_with_sound(tmp_path / name, wave, 50, CODECS[name], sound_start=late, rate=rate)
    wave_read = read_wave(path, 50)
    assert len(wave_read) == 50 * SAMPLES_PER_FRAME
    assert abs(lag(fit_length(wave, len(wave_read)), wave_read) - round(late * SAMPLE_RATE)) <= SAMPLE_RATE // 1000


def test_sound_before_the_first_frame_is_left_out(tmp_path):
    wave = chirp(2)
    path = write_video_with_sound(tmp_path / "late.mkv", wave, 30, CODECS["film.mkv"], video_start=0.4)
    assert abs(lag(wave, read_wave(path, 30)) + round(0.4 * SAMPLE_RATE)) <= SAMPLE_RATE // 1000


@given(frames=st.integers(1, 400), samples=st.integers(0, 300_000))
@settings(max_examples=50, deadline=None)
def test_wave_is_fitted_exactly_to_its_frames(frames, samples):
    fitted = fit_length(np.ones(samples, np.float32), frames * SAMPLES_PER_FRAME)
    assert len(fitted) == frames * 640 and fitted.sum() == min(samples, frames * 640)


@pytest.mark.parametrize("seconds", [0.9, 1.1])
def test_shorter_or_longer_sound_has_the_length_of_the_frames(tmp_path, seconds):
    path = write_video_with_sound(tmp_path / "film.mp4", chirp(seconds), 25, CODECS["film.mp4"])
    assert read_wave(path, 25).shape == (25 * 640,)


def test_written_wave_is_read_back(tmp_path):
    wave = np.clip(chirp(0.5), -1, 1)
    write_wave(tmp_path / "a.wav", wave)
    assert np.abs(read_wave(tmp_path / "a.wav") - wave).max() < 1e-4


@pytest.mark.parametrize("name", ["voiced.mp4", "voiced.mkv", "voiced.mov"])
def test_voice_is_added_without_a_shift(tmp_path, name):
    video = write_video_with_sound(tmp_path / "film.mp4", chirp(1, seed=1), 25, CODECS["film.mp4"])
    wave = chirp(1, seed=2)
    mux(video, wave, tmp_path / name)
    assert abs(lag(wave, read_wave(tmp_path / name, 25))) <= SAMPLE_RATE // 1000


def test_frames_are_copied_unchanged(tmp_path):
    from vsr.media.reader import read_frames

    video = write_video_with_sound(tmp_path / "film.mp4", chirp(1), 25, CODECS["film.mp4"])
    mux(video, chirp(1), tmp_path / "voiced.mp4")
    before, after = (np.concatenate([f for f, _ in read_frames(p)]) for p in (video, tmp_path / "voiced.mp4"))
    assert np.array_equal(before, after)


def test_concatenated_recordings_keep_their_frames(tmp_path, make_video):
    from vsr.media.reader import read_frames

    single = make_video(tmp_path / "one.mpg", np.zeros((50, 48, 64, 3), np.uint8), codec="mpeg1video").read_bytes()
    (tmp_path / "all.mpg").write_bytes(3 * single)
    mux(tmp_path / "all.mpg", chirp(6), tmp_path / "voiced.mp4")
    assert sum(len(frames) for frames, _ in read_frames(tmp_path / "voiced.mp4")) == pytest.approx(150, abs=3)


def test_concatenated_recordings_keep_their_sound_with_their_frames(tmp_path):
    """Each wave is as far behind its frames as in its own file; frames of a file become brighter."""
    from vsr.media.reader import read_frames

    waves = [chirp(1.9, seed) for seed in (1, 2, 3)]
    parts = [
        write_video_with_sound(tmp_path / f"{k}.mpg", wave, 50, CODECS["film.mpg"], sound_start=0.1 * k)
        for k, wave in enumerate(waves)
    ]
    (tmp_path / "all.mpg").write_bytes(b"".join(part.read_bytes() for part in parts))
    images, times = (np.concatenate(arrays) for arrays in zip(*read_frames(tmp_path / "all.mpg"), strict=True))
    begins = [0, *(np.flatnonzero(np.diff(images.mean((1, 2, 3))) < -50) + 1)]
    assert len(begins) == 3
    whole = read_wave(tmp_path / "all.mpg")
    for k, (begin, part) in enumerate(zip(begins, parts, strict=True)):
        first = round((times[begin] - times[0]) * SAMPLE_RATE)
        expected = read_wave(part)[: round(1.5 * SAMPLE_RATE)]
        assert abs(lag(expected, whole[first : first + round(2.2 * SAMPLE_RATE)])) <= 16, k


def test_container_that_cannot_hold_the_video_is_named_and_nothing_is_left(tmp_path):
    video = write_video_with_sound(tmp_path / "film.mp4", chirp(1), 25, CODECS["film.mp4"])
    with pytest.raises(VsrError, match="cannot hold the video"):
        mux(video, chirp(1), tmp_path / "voiced.webm")
    with pytest.raises(VsrError, match=r"\(Could not determine output format\): try .mkv"):
        mux(video, chirp(1), tmp_path / "voiced.foo")
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_full_disk_is_not_blamed_on_the_container(tmp_path, monkeypatch):
    video, open_container = write_video_with_sound(tmp_path / "film.mp4", chirp(1), 25, CODECS["film.mp4"]), av.open

    def on_a_full_disk(file, mode="r", **options):
        return open_container("/dev/full", mode, format="mp4") if mode == "w" else open_container(file, mode, **options)

    monkeypatch.setattr(av, "open", on_a_full_disk)
    with pytest.raises(VsrError, match="no space left") as caught:
        mux(video, chirp(1), tmp_path / "voiced.mp4")
    assert caught.value.reason == "no_space"


def test_missing_sound_is_an_error(tmp_path, silent_video):
    with pytest.raises(VsrError) as caught:
        read_wave(silent_video)
    assert caught.value.reason == "no_sound"


@pytest.fixture
def silent_video(tmp_path):
    import av

    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
