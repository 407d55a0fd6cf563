"""The watermark: inaudible, found again, with an error probability that holds for any sound."""

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


def through_codec(wave, codec, container, bit_rate):
    """The file of a wave after a codec at 16 kHz."""
    file = BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=16_000, layout="mono")
        stream.bit_rate = bit_rate
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
def test_watermark_is_found_after_changes(voice_like, change):
    changed = CHANGES[change]
    assert detect(changed(mark(voice_like))).is_marked
    assert not detect(changed(voice_like)).is_marked


@pytest.mark.parametrize(("codec", "container", "rate"), [("aac", "adts", 48_000), ("libmp3lame", "mp3", 48_000)])
def test_watermark_survives_codecs(voice_like, tmp_path, codec, container, rate):
    for wave, has_mark in ((mark(voice_like), True), (voice_like, False)):
        (tmp_path / "said").write_bytes(through_codec(wave, codec, container, rate))
        assert detect(read_wave(tmp_path / "said")).is_marked == has_mark


def test_watermark_changes_little_and_leaves_silence(voice_like):
    marked = mark(voice_like)
    assert marked.shape == voice_like.shape and marked.dtype == np.float32
    ratio = 10 * np.log10(np.sum(voice_like**2) / np.sum((marked - voice_like) ** 2))
    assert 14 < ratio < 30  # dB
    assert not mark(np.zeros(20_000, np.float32)).any() and not detect(np.zeros(20_000)).is_marked


def test_other_pattern_is_not_found(voice_like):
    assert not detect(mark(voice_like, draw=8)).is_marked and detect(mark(voice_like, draw=8), draw=8).is_marked


@pytest.mark.parametrize("kind", ["speech-like", "noise", "tone"])
def test_probability_of_a_false_alarm_holds(voice_like, kind):
    """Of sounds without a mark, no more patterns fit than the bound allows."""
    noise = np.random.default_rng(1).normal(size=24_000)
    tone = np.sin(2 * np.pi * 440 * np.arange(24_000) / 16_000)
    wave = {"speech-like": voice_like[:24_000], "noise": noise, "tone": tone}[kind]
    fits = np.array([pattern_fit(wave, draw) for draw in range(100, 220)])
    for border in (4.2, 4.5, 5.0):
        assert (fits > border).mean() <= ALIGNMENTS * np.exp(-(border**2) / 2) + 0.02
    assert fits.max() < 6.4  # a mark would count as found


def test_marked_part_is_located(voice_like):
    long = np.tile(voice_like, 30)
    long[2 * PART : 3 * PART] = mark(long[2 * PART : 3 * PART])
    result = detect(long)
    assert result.is_marked and (result.start, result.end) == (60.0, 90.0) and result.seconds == 90.0


def test_block_size_changes_nothing(voice_like, monkeypatch):
    whole = mark(voice_like)
    monkeypatch.setattr("lip2speech.inference.watermark.BLOCK", 37)
    assert np.allclose(mark(voice_like), whole, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 7_999])
def test_refuses_too_short_sound(samples):
    assert mark(np.ones(samples)).shape == (samples,)
    with pytest.raises(VsrError, match="0.5 s"):
        detect(np.ones(samples))


def test_watermark_command_reports_each_file(voice_like, tmp_path, capsys):
    for name, wave in (("plain", voice_like), ("marked", mark(voice_like))):
        write_wave(tmp_path / f"{name}.wav", wave)
    files = [str(tmp_path / f"{name}.wav") for name in ("plain", "marked", "none")]
    assert main(["watermark", *files, "--out", str(tmp_path / "marks.jsonl")]) == 1
    output = capsys.readouterr()
    plain, marked = output.out.splitlines()
    assert plain.endswith("plain.wav: not found (false-alarm probability at most 1)") and "marked.wav: found" in marked
    assert output.err.startswith("lip2speech: ") and "none.wav" in output.err
    records = [json.loads(line) for line in (tmp_path / "marks.jsonl").read_text("utf-8").splitlines()]
    assert [record["found"] for record in records] == [False, True] and records[1]["probability"] < 1e-6
    assert main(["watermark", files[0], "--out", files[0]]) == 1


def test_speak_adds_a_watermark(tiny_voice_folder, tmp_path, capsys):
    video = tmp_path / "clip.mp4"
    write_video(video, talking_face(50))
    command = ["speak", str(video), "--model", str(tiny_voice_folder), "--text", "none"]
    assert main([*command, "-o", str(tmp_path / "plain.wav")]) == 0
    assert main([*command, "-o", str(tmp_path / "marked.wav"), "--watermark"]) == 0
    plain, marked = (read_wave(tmp_path / f"{name}.wav") for name in ("plain", "marked"))
    assert np.allclose(marked, np.round(mark(plain) * 32767) / 32768, atol=2e-3) and riff_bytes(marked)
    assert not detect(plain).is_marked
