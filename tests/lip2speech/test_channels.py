"""A voice is read at its level whatever the channels of a recording; forged time stamps and noise are refused."""

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest

from lip2speech.features.speaker import reference_vector
from lip2speech.features.voice_detection import holds_voice
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave, write_wave
from vsr.media.channels import STRETCH, chosen_channels

RATE = 16_000
RNG = np.random.default_rng(0)


def voice(seconds=3.0):
    """A wave (S,) with the rhythm of speech."""
    count = round(RATE * seconds)
    time = np.arange(count) / RATE
    tones = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 30))
    return (0.1 * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1) * tones).astype(np.float32)


def write_planes(path, planes, layout, codec="pcm_s16le"):
    """A recording of planes (C, S)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        planar = stream.codec_context.format.is_planar
        samples = planes if planar else planes.T.reshape(1, -1)
        samples = samples.astype(np.float32) if planar else np.round(samples * 32767).astype(np.int16)
        step = 1024 if planar else 1024 * len(planes)
        for position in range(0, samples.shape[1], step):
            piece = np.ascontiguousarray(samples[:, position : position + step])
            frame = av.AudioFrame.from_ndarray(piece, format=stream.codec_context.format.name, layout=layout)
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = position if planar else position // len(planes)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


VOICE = voice()
NONE, HISS = np.zeros_like(VOICE), (0.002 * RNG.normal(size=VOICE.size)).astype(np.float32)
MUSIC = (0.1 * np.sin(2 * np.pi * 440 * np.arange(VOICE.size) / RATE)).astype(np.float32)
LATE = np.where(np.arange(VOICE.size) < VOICE.size // 2, VOICE, -VOICE)
CASES = {
    "twice the same": ("stereo", [VOICE, VOICE]),
    "each the other's negative": ("stereo", [VOICE, -VOICE]),
    "negative and quieter": ("stereo", [VOICE, -0.6 * VOICE]),
    "negative for half of the time": ("stereo", [1.1 * VOICE, LATE]),
    "left alone": ("stereo", [VOICE, NONE]),
    "right alone, and a hiss": ("stereo", [HISS, VOICE]),
    "dialogue of a video": ("5.1", [MUSIC, -MUSIC, VOICE, MUSIC, HISS, HISS]),
    "no centre": ("5.1", [VOICE, VOICE, NONE, HISS, HISS, NONE]),
    "7.1": ("7.1", [MUSIC, MUSIC, VOICE, NONE, HISS, HISS, HISS, HISS]),
    "a rear channel alone": ("quad", [NONE, NONE, VOICE, NONE]),
    "four microphones": ("quad", [VOICE, -VOICE, HISS, HISS]),
}


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s16le", "wav"), ("aac", "mp4")])
@pytest.mark.parametrize("case", CASES)
def test_voice_is_read_at_its_level_whatever_the_channels(tmp_path, case, codec, suffix):
    layout, planes = CASES[case]
    if codec == "aac" and layout == "7.1":
        pytest.skip("this encoder knows another 7.1")
    wave = read_wave(write_planes(tmp_path / f"x.{suffix}", np.stack(planes), layout, codec))[: VOICE.size]
    expected = VOICE[: wave.size]
    assert np.sqrt((wave**2).mean() / (expected**2).mean()) == pytest.approx(1, abs=0.12)
    assert np.corrcoef(wave, expected)[0, 1] > 0.98


def test_ordinary_stereo_is_exactly_the_mean_of_its_channels(tmp_path):
    left, right = VOICE + 10 * HISS, VOICE + 10 * HISS[::-1]
    path = write_planes(tmp_path / "x.wav", np.stack([left, right]), "stereo")
    planes = np.round(np.stack([left, right]) * 32767).astype(np.int16).astype(np.float32) / 32768
    assert np.array_equal(read_wave(path), planes.mean(0).astype(np.float32))


def test_silence_in_all_channels_is_silence(tmp_path):
    assert not read_wave(write_planes(tmp_path / "x.wav", np.zeros((2, RATE)), "stereo")).any()


def test_channels_are_chosen_by_stretches_of_the_recording():
    class Frame:
        sample_rate = RATE

        def __init__(self, planes):
            self.planes, self.format = planes, type("F", (), {"is_planar": True})
            channel = type("C", (), {"name": "FL"}), type("C", (), {"name": "FR"})
            self.layout = type("L", (), {"name": "stereo", "channels": channel})

        def to_ndarray(self):
            return self.planes

    count = round(STRETCH * RATE)
    frames = [Frame(np.stack([VOICE[:count], VOICE[:count]]))] * 30
    assert chosen_channels(frames) == {"stereo": [0, 1]}
    frames += [Frame(np.stack([2 * VOICE[:count], -VOICE[:count]]))] * 3
    assert chosen_channels(frames) == {"stereo": [0]}


def write_stamps(path, stamps, images=25, seconds=0.3):
    """Sound of `seconds` at each of the time stamps, beside frames at 25 a second."""
    with av.open(str(path), "w") as container:
        if images:
            image = container.add_stream("mpeg4", rate=25)
            image.width = image.height = 64
            image.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(images):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(image.encode(frame))
        if images:
            container.mux(image.encode())
        for stamp in stamps:
            piece = np.full((1, round(seconds * RATE)), 8000, np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round(stamp * RATE)
            container.mux(sound.encode(frame))
    return path


@pytest.mark.parametrize("images", [25, 0])
@pytest.mark.parametrize("stamps", [(0, 2000), (0, 12_000), (0, *range(9, 3000, 9))])
def test_forged_time_stamps_cost_no_memory(tmp_path, stamps, images):
    path = write_stamps(tmp_path / "forged.mkv", stamps, images)
    content_seconds = len(stamps) * 0.3
    tracemalloc.start()
    try:
        seconds = len(read_wave(path)) / RATE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds <= max(content_seconds, 12) and peak < 30e6 + 6 * content_seconds * RATE


def test_refuses_sound_far_behind_its_frames(tmp_path):
    with pytest.raises(VsrError) as caught:
        read_wave(write_stamps(tmp_path / "forged.mkv", (2000,)))
    assert caught.value.reason == "no_sound"


def test_microphone_switched_on_late_keeps_its_place(tmp_path):
    wave = read_wave(write_stamps(tmp_path / "late.mkv", (0.0, 15.0, 30.0), images=1000))
    loud = np.flatnonzero(np.abs(wave) > 0.1) / RATE
    assert [round(float(loud[np.searchsorted(loud, second)]), 2) for second in (0.0, 14.0, 29.0)] == [0, 15, 30]


TIME = np.arange(4 * RATE) / RATE
NOISES = {
    "white noise": RNG.normal(size=TIME.size),
    "noise that swells": RNG.normal(size=TIME.size) * (1 + np.sin(8 * np.pi * TIME)),
    "bursts": RNG.normal(size=TIME.size) * ((3 * TIME) % 1 < 0.5),
    "a tone": np.sin(2 * np.pi * 1000 * TIME),
    "a low tone": np.sin(2 * np.pi * 150 * TIME),
    "beeps": np.sin(2 * np.pi * 440 * TIME) * ((2 * TIME) % 1 < 0.5),
    "hum": sum(np.sin(2 * np.pi * 50 * k * TIME) / k for k in range(1, 20)),
    "a chord": sum(np.sin(2 * np.pi * hertz * TIME) for hertz in (220, 277, 330)),
    "a buzz": np.sign(np.sin(2 * np.pi * 110 * TIME)),
    "a sweep": np.sin(2 * np.pi * (200 * TIME + 150 * TIME**2)),
}


@pytest.mark.parametrize("noise", NOISES)
def test_refuses_noise_and_tones_as_reference(tmp_path, noise):
    wave = NOISES[noise]
    write_wave(tmp_path / "x.wav", (0.3 * wave / np.abs(wave).max()).astype(np.float32))
    with pytest.raises(VsrError) as caught:
        reference_vector(tmp_path / "x.wav")
    assert caught.value.reason in ("no_voice", "short_reference") and "\n" not in str(caught.value)


def test_voice_is_recognised_with_noise_around(voice_like):
    hiss = RNG.normal(size=voice_like.size).astype(np.float32)
    assert holds_voice(voice_like)
    assert not holds_voice(0.05 * hiss) and not holds_voice(voice_like[: RATE // 4])


def test_reference_in_opposite_phases_is_read(tmp_path, voice_like):
    path = write_planes(tmp_path / "anti.wav", np.stack([voice_like, -voice_like]), "stereo")
    write_wave(tmp_path / "mono.wav", voice_like)
    assert float(reference_vector(path) @ reference_vector(tmp_path / "mono.wav")) > 0.99
