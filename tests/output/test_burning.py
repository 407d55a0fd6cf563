"""Captions burned in: where and when the words stand, what is left alone, and what is refused."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import write_video
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave
from vsr.media.reader import read_frames
from vsr.output.burning import burn, draw_cues
from vsr.output.cues import Cue, cues
from vsr.output.transcript import Segment, TimedWord, Transcript

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"


def transcript(words, **more):
    segment = Segment(words[0].start, words[-1].end, 0, 0.9, tuple(words), (), **more)
    return Transcript("clip.mp4", 25.0, 4.0, "m", (segment,))


def frames_of(path):
    chunks = list(read_frames(path))
    return np.concatenate([frames for frames, _ in chunks]), np.concatenate([times for _, times in chunks])


@pytest.fixture
def grey(tmp_path):
    return write_video(tmp_path / "grey.mp4", np.full((75, 120, 160, 3), 90, np.uint8))


def test_words_stand_at_the_bottom_while_they_are_said(grey, tmp_path):
    said = transcript([TimedWord("bin", 1.0, 1.4, 0.9), TimedWord("blue", 1.4, 2.0, 0.9)])
    burn(grey, said, tmp_path / "out.mp4")
    frames, times = frames_of(tmp_path / "out.mp4")
    assert len(frames) == 75 and frames.shape[1:3] == (120, 160)
    bright = (frames > 200).any(-1)
    (cue,) = cues(said)
    for seen, time in zip(bright, times, strict=True):
        assert seen.any() == (cue.start <= time < cue.end), time
    assert not bright[:, :80].any() and bright[30, 80:].sum() > 5
    middle = np.flatnonzero(bright[30].any(0))
    assert abs((middle[0] + middle[-1]) / 2 - 80) < 6


def test_words_not_to_be_believed_are_marked_as_in_subtitles():
    words = [TimedWord("bin", 0.0, 1.0, 0.1)]
    image = np.zeros((120, 160, 3), np.uint8)
    plain, marked = (draw_cues(image, [Cue(0, 1, 0, (word,))]) for word in (words[0], TimedWord("[...]", 0, 1, 0.1)))
    assert not np.array_equal(plain, marked) and draw_cues(image, []) is image


@pytest.mark.parametrize("text", ["w" * 42, "喉が渇いた", "çok teşekkürler", "wide " * 8])
def test_any_line_fits(text):
    image = np.zeros((180, 320, 3), np.uint8)
    drawn = draw_cues(image, [Cue(0, 1, 0, (TimedWord(text, 0, 1, 0.9),))])
    across = np.flatnonzero(drawn.any((0, 2)))
    assert len(across) and across[0] > 0 and across[-1] < 319 and drawn[-1].max() == 0


def test_the_sound_is_left_alone(tmp_path):
    burn(CLIP, transcript([TimedWord("bin", 1.0, 1.4, 0.9)]), tmp_path / "out.mkv")
    with av.open(str(CLIP)) as before, av.open(str(tmp_path / "out.mkv")) as after:
        assert [stream.type for stream in after.streams] == [stream.type for stream in before.streams]
        sounds = [[bytes(packet) for packet in own.demux(audio=0) if packet.size] for own in (before, after)]
    assert sounds[0] == sounds[1]
    assert len(read_wave(tmp_path / "out.mkv", 25)) == pytest.approx(len(read_wave(CLIP, 25)), abs=1024)


def test_the_command_reads_and_burns(tmp_path, capsys):
    out = tmp_path / "captioned.mp4"
    assert main(["transcribe", str(CLIP), "--burn", str(out)]) == 0
    assert "blue" in capsys.readouterr().out
    before, after = frames_of(CLIP)[0], frames_of(out)[0]
    assert after.shape == before.shape
    changed = np.abs(after.astype(int) - before).max(-1) > 120
    half = before.shape[1] // 2
    assert changed[40, half:].sum() > 100 and changed[:, :half].mean() < 1e-3


@pytest.mark.parametrize(
    "words, said",
    [
        (["x.mp4", "--burn", "x.mp4"], "x.mp4"),
        (["x.mp4", "--burn", "y.txt"], r"\.mp4, \.mkv"),
        (["x.mp4", "z.mp4", "--burn", "y.mp4"], "one video"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.mp4").write_bytes(CLIP.read_bytes())
    assert main(["transcribe", *words]) == (1 if said == "x.mp4" else 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line) and {path.name for path in Path().iterdir()} == {"x.mp4"}


def test_a_video_that_breaks_off_leaves_nothing(tmp_path):
    (tmp_path / "half.mp4").write_bytes(b"no video")
    with pytest.raises(VsrError):
        burn(tmp_path / "half.mp4", transcript([TimedWord("bin", 0, 1, 0.9)]), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
