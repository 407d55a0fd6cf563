"""A mark that nobody hears and the program finds again, with a probability of error that holds for any sound."""

import json
from io import BytesIO

import av
import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.inference.watermark import ALIGNMENTS, PART, detect, mark, pattern_fit
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave, riff_bytes, write_wave


def through(wave, codec, container, rate):
    """The wave after a codec at 16 kHz, as it is read again."""
    file = BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=16_000, layout="mono")
        stream.bit_rate = rate
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


CHANGES = {
    "as it is": lambda wave: wave,
    "in 16 bits": lambda wave: np.round(wave * 32767) / 32768,
    "softer": lambda wave: 0.01 * wave,
    "without its beginning": lambda wave: wave[7_777:],
    "a second of it": lambda wave: wave[11_111:27_111],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_mark_is_found_again(voice_like, change):
    changed = CHANGES[change]
    assert detect(changed(mark(voice_like))).is_marked
    assert not detect(changed(voice_like)).is_marked


@pytest.mark.parametrize(("codec", "container", "rate"), [("aac", "adts", 48_000), ("libmp3lame", "mp3", 48_000)])
def test_a_mark_outlives_codecs(voice_like, tmp_path, codec, container, rate):
    for wave, marked in ((mark(voice_like), True), (voice_like, False)):
        (tmp_path / "said").write_bytes(through(wave, codec, container, rate))
        assert detect(read_wave(tmp_path / "said")).is_marked == marked


def test_a_mark_changes_little_and_leaves_silence(voice_like):
    marked = mark(voice_like)
    assert marked.shape == voice_like.shape and marked.dtype == np.float32
    ratio = 10 * np.log10(np.sum(voice_like**2) / np.sum((marked - voice_like) ** 2))
    assert 14 < ratio < 30  # dB
    assert not mark(np.zeros(20_000, np.float32)).any() and not detect(np.zeros(20_000)).is_marked


def test_another_pattern_is_not_found(voice_like):
    assert not detect(mark(voice_like, draw=8)).is_marked and detect(mark(voice_like, draw=8), draw=8).is_marked


@pytest.mark.parametrize("kind", ["speech-like", "noise", "tone"])
def test_the_probability_of_a_false_alarm_holds(voice_like, kind):
    """Of sounds without a mark no more patterns fit than the bound says."""
    noise = np.random.default_rng(1).normal(size=24_000)
    tone = np.sin(2 * np.pi * 440 * np.arange(24_000) / 16_000)
    wave = {"speech-like": voice_like[:24_000], "noise": noise, "tone": tone}[kind]
    fits = np.array([pattern_fit(wave, draw) for draw in range(100, 220)])
    for border in (4.2, 4.5, 5.0):
        assert (fits > border).mean() <= ALIGNMENTS * np.exp(-(border**2) / 2) + 0.02
    assert fits.max() < 6.4  # where a mark would count as found


def test_a_part_that_is_marked_is_named(voice_like):
    long = np.tile(voice_like, 30)
    long[2 * PART : 3 * PART] = mark(long[2 * PART : 3 * PART])
    found = detect(long)
    assert found.is_marked and (found.start, found.end) == (60.0, 90.0) and found.seconds == 90.0


def test_blocks_change_nothing(voice_like, monkeypatch):
    whole = mark(voice_like)
    monkeypatch.setattr("lip2speech.inference.watermark.BLOCK", 37)
    assert np.allclose(mark(voice_like), whole, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 7_999])
def test_too_short_a_sound_is_refused(samples):
    assert mark(np.ones(samples)).shape == (samples,)
    with pytest.raises(VsrError, match="0.5 s"):
        detect(np.ones(samples))


def test_the_command(voice_like, tmp_path, capsys):
    for name, wave in (("plain", voice_like), ("marked", mark(voice_like))):
        write_wave(tmp_path / f"{name}.wav", wave)
    files = [str(tmp_path / f"{name}.wav") for name in ("plain", "marked", "none")]
    assert main(["watermark", *files, "--out", str(tmp_path / "marks.jsonl")]) == 1
    said = capsys.readouterr()
    plain, marked = said.out.splitlines()
    assert plain.endswith("plain.wav: not found (probability of error at most 1)") and "marked.wav: found" in marked
    assert said.err.startswith("lip2speech: ") and "none.wav" in said.err
    records = [json.loads(line) for line in (tmp_path / "marks.jsonl").read_text("utf-8").splitlines()]
    assert [own["found"] for own in records] == [False, True] and records[1]["probability"] < 1e-6
    assert main(["watermark", files[0], "--out", files[0]]) == 1


def test_a_video_is_spoken_with_a_mark(tiny_voice_folder, tmp_path, capsys):
    video = tmp_path / "clip.mp4"
    write_video(video, talking_face(50))
    given = ["speak", str(video), "--model", str(tiny_voice_folder), "--text", "none"]
    assert main([*given, "-o", str(tmp_path / "plain.wav")]) == 0
    assert main([*given, "-o", str(tmp_path / "marked.wav"), "--watermark"]) == 0
    plain, marked = (read_wave(tmp_path / f"{name}.wav") for name in ("plain", "marked"))
    assert np.allclose(marked, np.round(mark(plain) * 32767) / 32768, atol=2e-3) and riff_bytes(marked)
    assert not detect(plain).is_marked
