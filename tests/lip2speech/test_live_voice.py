"""A live voice: that of a file is one sound, on its clock, marked as synthetic."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.inference.live import LiveOutput, Utterance, segment_of
from lip2speech.inference.synthetic_marks import SYNTHETIC
from tests.conftest import talking_face, write_video
from vsr.inference.live.mouth import Mouth
from vsr.inference.live.session import Caption
from vsr.media.audio import read_wave
from vsr.output.transcript import TimedWord

CLIP = Path(__file__).parents[2] / "demo/clip.mp4"


def utterance(start, value, samples=1600, delay=0.5):
    return Utterance(start, np.full(samples, value, np.float32), "", None, delay)


def test_voices_are_at_their_times_in_a_file(tmp_path):
    sound = LiveOutput(str(tmp_path / "said.wav"))
    for voiced in (utterance(0.5, 0.25), utterance(1.0, 0.5, delay=1.5)):
        sound.add(voiced)
    assert not list(tmp_path.iterdir())
    sound.close()
    wave = read_wave(tmp_path / "said.wav")
    assert len(wave) == 17_600 and wave[8000:9600] == pytest.approx(0.25, abs=1e-3)
    assert wave[16_000:] == pytest.approx(0.5, abs=1e-3) and not wave[:8000].any() and not wave[9600:16_000].any()
    assert "2 utterances, voiced 1.0 s behind the lips (longest: 1.5 s)" in sound.summary()


def test_player_gets_voices_one_after_the_other(tmp_path):
    stream = io.BytesIO()
    sound = LiveOutput("-", stream)
    for voiced in (utterance(0.5, 0.25), utterance(9.0, 0.5)):
        sound.add(voiced)
    (tmp_path / "stream.wav").write_bytes(stream.getvalue())
    wave = read_wave(tmp_path / "stream.wav")
    assert len(wave) == 3200 and wave[:1600] == pytest.approx(0.25, abs=1e-3)
    with av.open(str(tmp_path / "stream.wav")) as container:
        assert container.metadata["comment"] == SYNTHETIC


def test_nothing_voiced_is_no_file(tmp_path):
    sound = LiveOutput(str(tmp_path / "said.wav"))
    sound.close()
    assert not list(tmp_path.iterdir()) and sound.summary() == "nothing was said"


def test_caption_becomes_a_segment_of_its_mouths():
    mouths = tuple(Mouth(np.zeros((96, 96), np.uint8), np.zeros((37, 2)), second, 0.0) for second in (1.0, 1.04))
    words = (TimedWord("bin", 1.0, 1.02, 0.5), TimedWord("red", 1.02, 1.04, 0.7))
    segment = segment_of(Caption(words, (), True, 2, (), mouths, 0.2))
    assert (segment.start, segment.end, segment.face, segment.text) == (1.0, 1.04, 2, "bin red")
    assert segment.confidence == pytest.approx(0.6) and segment.outside_domain
    assert not segment_of(Caption((), (), True, 0, (), mouths, 0.2)).outside_domain


def test_file_is_voiced_like_a_camera(tmp_path, capsys):
    video = write_video(tmp_path / "face.mp4", talking_face(40))
    assert main(["live", str(video), "-o", str(tmp_path / "said.wav"), "--text", "read"]) == 0
    errors = capsys.readouterr().err
    assert "behind the lips" in errors and "do not shape the voice" in errors
    assert 0.5 < len(read_wave(tmp_path / "said.wav")) / 16_000 < 1.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "said.mp3"], "must end in .wav"),
        (["-o", "said.wav", "--text", "bin blue"], "read, read! or none"),
        (["-o", "said.wav", "--text", "read", "--steps", "0"], "guides the steps"),
        (["-o", "said.wav", "--reference", "nowhere.wav"], "nowhere.wav"),
        (["-o", "said.wav", "--reference", "own"], "--reference own: nobody has been seen or heard before"),
        (["-o", "said.wav", "--reference", "nobody"], "no saved voice has that name"),
    ],
)
def test_refuses_impossible_options_in_one_line(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["live", str(CLIP), *options]) == (1 if message == "nowhere.wav" else 2)
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
