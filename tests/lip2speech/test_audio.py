"""Sound lies where the video's clock says, in every container."""

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
    """A sound whose place can be told to the sample: smooth noise with a slow swell."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    noise = np.convolve(rng.normal(size=count + 64), np.hanning(64) / 32, "valid")[:count]
    return (0.3 * noise * (1 + np.sin(np.arange(count) / 1500)) / 2).astype(np.float32)


def write_film(path, wave, frames, codecs, sound_start=0.0, video_start=0.0, rate=44_100):
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
        for at in range(0, len(samples), 1024):
            piece = (samples[None, at : at + 1024] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = at + round(sound_start * rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def lag(reference, wave):
    """Samples by which `wave` comes later than `reference`."""
    size = 2 * max(len(reference), len(wave))
    spectrum = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(wave, size)
    correlation = np.fft.irfft(spectrum, size)
    return int((np.argmax(correlation) + size // 2) % size - size // 2)


FILMS = {
    "film.mp4": ("libx264", "aac"),
    "film.mkv": ("libx264", "aac"),
    "film.webm": ("libvpx", "libopus"),
    "film.mpg": ("mpeg1video", "mp2"),
}


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_sound_is_within_a_millisecond_of_where_it_was_put(tmp_path, name, late):
    rate = 48_000 if name.endswith("webm") else 44_100
    wave = chirp(1.5)
    path = write_film(tmp_path / name, wave, 50, FILMS[name], sound_start=late, rate=rate)
    heard = read_wave(path, 50)
    assert len(heard) == 50 * SAMPLES_PER_FRAME
    assert abs(lag(fit_length(wave, len(heard)), heard) - round(late * SAMPLE_RATE)) <= SAMPLE_RATE // 1000


def test_sound_before_the_first_frame_is_left_out(tmp_path):
    wave = chirp(2)
    path = write_film(tmp_path / "late.mkv", wave, 30, FILMS["film.mkv"], video_start=0.4)
    assert abs(lag(wave, read_wave(path, 30)) + round(0.4 * SAMPLE_RATE)) <= SAMPLE_RATE // 1000


@given(frames=st.integers(1, 400), samples=st.integers(0, 300_000))
@settings(max_examples=50, deadline=None)
def test_a_wave_fits_its_frames_exactly(frames, samples):
    fitted = fit_length(np.ones(samples, np.float32), frames * SAMPLES_PER_FRAME)
    assert len(fitted) == frames * 640 and fitted.sum() == min(samples, frames * 640)


@pytest.mark.parametrize("seconds", [0.9, 1.1])
def test_a_sound_track_shorter_or_longer_than_the_frame(tmp_path, seconds):
    path = write_film(tmp_path / "film.mp4", chirp(seconds), 25, FILMS["film.mp4"])
    assert read_wave(path, 25).shape == (25 * 640,)


def test_wave_file_round_trip(tmp_path):
    wave = np.clip(chirp(0.5), -1, 1)
    write_wave(tmp_path / "a.wav", wave)
    assert np.abs(read_wave(tmp_path / "a.wav") - wave).max() < 1e-4


@pytest.mark.parametrize("name", ["voiced.mp4", "voiced.mkv", "voiced.mov"])
def test_a_voice_is_laid_under_the_frame_without_a_shift(tmp_path, name):
    film = write_film(tmp_path / "film.mp4", chirp(1, seed=1), 25, FILMS["film.mp4"])
    wave = chirp(1, seed=2)
    mux(film, wave, tmp_path / name)
    assert abs(lag(wave, read_wave(tmp_path / name, 25))) <= SAMPLE_RATE // 1000


def test_the_frame_is_copied_untouched(tmp_path):
    from vsr.media.reader import read_frames

    film = write_film(tmp_path / "film.mp4", chirp(1), 25, FILMS["film.mp4"])
    mux(film, chirp(1), tmp_path / "voiced.mp4")
    before, after = (np.concatenate([f for f, _ in read_frames(p)]) for p in (film, tmp_path / "voiced.mp4"))
    assert np.array_equal(before, after)


def test_recordings_put_together_keep_their_frames(tmp_path, make_video):
    from vsr.media.reader import read_frames

    one = make_video(tmp_path / "one.mpg", np.zeros((50, 48, 64, 3), np.uint8), codec="mpeg1video").read_bytes()
    (tmp_path / "all.mpg").write_bytes(3 * one)
    mux(tmp_path / "all.mpg", chirp(6), tmp_path / "voiced.mp4")
    assert sum(len(frames) for frames, _ in read_frames(tmp_path / "voiced.mp4")) == pytest.approx(150, abs=3)


def test_recordings_put_together_keep_their_sound_under_their_frames(tmp_path):
    """Each wave lies as far behind its frames as in its own file; a file's frames are brighter one by one."""
    from vsr.media.reader import read_frames

    waves = [chirp(1.9, seed) for seed in (1, 2, 3)]
    films = [
        write_film(tmp_path / f"{k}.mpg", wave, 50, FILMS["film.mpg"], sound_start=0.1 * k)
        for k, wave in enumerate(waves)
    ]
    (tmp_path / "all.mpg").write_bytes(b"".join(film.read_bytes() for film in films))
    images, times = (np.concatenate(each) for each in zip(*read_frames(tmp_path / "all.mpg"), strict=True))
    begins = [0, *(np.flatnonzero(np.diff(images.mean((1, 2, 3))) < -50) + 1)]
    assert len(begins) == 3
    heard = read_wave(tmp_path / "all.mpg")
    for k, (begin, film) in enumerate(zip(begins, films, strict=True)):
        first = round((times[begin] - times[0]) * SAMPLE_RATE)
        own = read_wave(film)[: round(1.5 * SAMPLE_RATE)]
        assert abs(lag(own, heard[first : first + round(2.2 * SAMPLE_RATE)])) <= 16, k


def test_a_container_that_cannot_hold_the_frame_is_named_and_nothing_is_left(tmp_path):
    film = write_film(tmp_path / "film.mp4", chirp(1), 25, FILMS["film.mp4"])
    with pytest.raises(VsrError, match="cannot hold the video"):
        mux(film, chirp(1), tmp_path / "voiced.webm")
    with pytest.raises(VsrError, match=r"\(Could not determine output format\): try .mkv"):
        mux(film, chirp(1), tmp_path / "voiced.foo")
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_no_fault_of_the_container(tmp_path, monkeypatch):
    film, opened = write_film(tmp_path / "film.mp4", chirp(1), 25, FILMS["film.mp4"]), av.open

    def on_a_full_disk(file, mode="r", **options):
        return opened("/dev/full", mode, format="mp4") if mode == "w" else opened(file, mode, **options)

    monkeypatch.setattr(av, "open", on_a_full_disk)
    with pytest.raises(VsrError, match="no space left") as caught:
        mux(film, chirp(1), tmp_path / "voiced.mp4")
    assert caught.value.reason == "no_space"


def test_no_sound_is_said(tmp_path, silent_film):
    with pytest.raises(VsrError) as caught:
        read_wave(silent_film)
    assert caught.value.reason == "no_sound"


@pytest.fixture
def silent_film(tmp_path):
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
