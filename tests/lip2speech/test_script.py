"""Scripts: what is read of them, where their words are placed, and that none is lost, moved or invented."""

import json
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.inference import script_alignment
from lip2speech.inference.script import EVER, ScriptCue, read_script
from lip2speech.inference.script_alignment import LIPS, NOWHERE, SPREAD, PlacedWord, align_script
from lip2speech.inference.script_text import ScriptText, open_script, placement_record
from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.inference.word_spreading import spread
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.inference.speech import Encoded
from vsr.media.audio import read_wave
from vsr.text.tokenizer import CharTokenizer

SRT = """\ufeff1
00:00:01,000 --> 00:00:02,500 X1:10
<i>Bin blue</i>
{\\an8}at f, two.

2
00:00:03.5 --> 00:00:04,000
now

3
00:01:00,000 --> 01:00:00,000
7
"""


def written(tmp_path, text, name="s.srt"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_cues_are_read_without_numbers_and_mark_up(tmp_path):
    assert read_script(written(tmp_path, SRT)) == [
        ScriptCue(("bin", "blue", "at", "f", "two"), 1.0, 2.5), ScriptCue(("now",), 3.5, 4.0),
        ScriptCue(("7",), 60.0, 3600.0),
    ]  # fmt: skip
    assert read_script(written(tmp_path, "Bin\nblue!", "s.txt")) == [ScriptCue(("bin", "blue"), -EVER, EVER)]


BAD = {
    "s.srt": ("bin blue", "no cue"), "back.srt": ("1\n00:00:02,000 --> 00:00:01,000\nbin\n", "ends before"),
    "empty.srt": ("1\n00:00:01,000 --> 00:00:02,000\n...\n", "no words"), "none.txt": (" \n", "no words"),
    "s.doc": ("bin", ".srt or a .txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_script_that_is_none_is_refused_in_a_line(tmp_path, name):
    text, why = BAD[name]
    with pytest.raises(VsrError, match=why) as caught:
        read_script(written(tmp_path, text, name))
    assert caught.value.reason == "bad_text"


def test_a_script_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for name in ("latin.txt", "missing.txt"):
        with pytest.raises(VsrError, match="cannot be read as a script"):
            read_script(tmp_path / name)


class Certain:
    """A model whose states are one-hot log-probabilities: it sees what they say, and nothing else."""

    ctc, alignment = True, None

    def ctc_log_probs(self, states):
        return states


TOKENIZER = CharTokenizer(" abcdefghijklmnopqrstuvwxyz")
READER = SimpleNamespace(model=Certain(), tokenizer=TOKENIZER, name="certain")


def lips(text, each=4, rest=2):
    """States (N, V) of lips that say a text, so many frames a letter and so many of rest between letters."""
    tokens = [token for own in TOKENIZER.encode(text) for token in [own] * each + [0] * rest]
    states = torch.full((len(tokens), TOKENIZER.vocab_size), -12.0)
    states[torch.arange(len(tokens)), torch.tensor(tokens)] = -1e-4
    return states


def part(text, start=0.0, face=0):
    states = lips(text)
    return Encoded(face, states, start + np.arange(len(states) + 1) / 25)


def test_words_that_the_lips_say_are_placed_in_order_where_they_say_them():
    whole = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    assert [own.how for own in whole] == [LIPS] * 3 and all(own.log_prob > -0.01 for own in whole)
    letters = 6 / 25
    for own, first, count in zip(whole, (0, 4, 9), (3, 4, 3), strict=True):
        assert own.start == pytest.approx(first * letters, abs=0.2)
        assert own.end == pytest.approx((first + count) * letters, abs=0.2)
    assert all(a.end <= b.start for a, b in zip(whole, whole[1:], strict=False))


def test_a_word_that_does_not_fit_is_reported_and_its_neighbours_stay():
    right = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    other = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "xyz", "now"))])
    assert [own.how for own in other] == [LIPS, SPREAD, LIPS] and other[1].log_prob < script_alignment.FITS
    assert (other[0].start, other[2].end) == (right[0].start, right[2].end)
    assert (other[1].start, other[1].end) == pytest.approx((other[0].end, other[2].start))


def test_cues_limit_where_words_are_looked_for():
    """The same word is said twice: each cue finds its own, over a pause in the video, by the face that says it."""
    parts = [part("now", 1.0, face=0), part("now", 7.0, face=2)]
    first, second = align_script(READER, parts, [ScriptCue(("now",), 1.0, 2.0), ScriptCue(("now",), 7.0, 8.0)])
    assert (first.face, second.face) == (0, 2) and (first.how, second.how) == (LIPS, LIPS)
    assert 0.9 <= first.start < first.end <= 2.0 and 7.0 <= second.start < second.end <= 8.0
    (late,) = align_script(READER, parts, [ScriptCue(("now",), 6.9, 8.0)])
    assert late.start >= 7.0


@pytest.mark.parametrize("border", [0.5, 0.85, 1.1])
def test_a_border_between_cues_may_lie_beside_that_of_the_words(border):
    """Cues of one window are placed at once: where it is cut decides nothing."""
    whole = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    cues = [ScriptCue(("bin", "blue"), 0.0, border), ScriptCue(("now",), border, 3.0)]
    placed = align_script(READER, [part("bin blue now")], cues)
    assert [(own.word, own.cue, own.start) for own in placed] == [
        (own.word, number, own.start) for own, number in zip(whole, (1, 1, 2), strict=True)
    ]


def test_cues_go_together_where_they_share_a_window():
    windows = [(0.0, 3.0), (5.0, 8.0), (8.0, 11.0)]
    cues = [ScriptCue(("a",), *times) for times in ((0, 1), (1, 3), (3.5, 4), (5, 6), (6, 9), (9, 11), (12, 13))]
    assert script_alignment.cues_aligned_together(windows, cues) == [[0, 1], [2], [3, 4, 5], [6]]


class Framed(Certain):
    """One with a head for frames, which hears speech in some of them."""

    def __init__(self, speech):
        self.speech = torch.tensor(speech)

    def alignment(self, states):
        return torch.stack([torch.zeros(len(states)), self.speech[: len(states)] - 0.5], 1)


@pytest.mark.parametrize("speech, expected", [
    ([0, 0, 1, 1, 1, 0, 0, 0, 0, 0], (0, 10)),
    ([1, 0, 1, 1, 1, 0, 0, 0, 0, 0], (2, 10)),
    ([0, 0, 1, 1, 1, 0, 0, 0, 0, 1], (0, 5)),
])  # fmt: skip
def test_still_frames_beside_a_cue_are_looked_at_too(speech, expected):
    own = Encoded(0, torch.zeros(10, 4), np.arange(11) / 25)
    assert script_alignment.extend_to_silence(Framed(speech), [own], 2, 5) == expected


def test_a_face_at_rest_says_nothing_of_a_script():
    placed = align_script(READER, [], [ScriptCue(("bin", "blue"), 0.0, 1.0), ScriptCue(("now",), 1.0, 2.0)])
    assert [(own.word, own.cue) for own in placed] == [("bin", 1), ("blue", 1), ("now", 2)]
    assert {own.how for own in placed} == {NOWHERE}


@pytest.mark.parametrize("reason", ["at_rest", "covered", "no_face"])
def test_a_script_of_a_film_without_speech_is_no_error(reason, monkeypatch):
    def silent(*given):
        raise VsrError(reason, "clip.mp4: nobody speaks")

    monkeypatch.setattr("vsr.inference.speech.encoded", silent)
    for name in ("resolve_text_source", "check_words", "check_writable"):
        monkeypatch.setattr(f"lip2speech.inference.script_text.{name}", lambda *given: None)
    voice = SimpleNamespace(reader=READER)
    if reason == "no_face":
        with pytest.raises(VsrError, match="nobody speaks"):
            open_script(voice, [ScriptCue(("now",), 1.0, 2.0)], None, "clip.mp4")
    else:
        assert [own.how for own in open_script(voice, [ScriptCue(("now",), 1.0, 2.0)], None, "clip.mp4").placed] == [
            NOWHERE
        ]


def test_where_no_lips_speak_nothing_is_said():
    cues = [ScriptCue(("now",), 1.0, 2.0), ScriptCue(("bin",), 4.0, 5.0)]
    text = ScriptText(align_script(READER, [part("now", 1.0)], cues), "certain")
    assert [own.how for own in text.placed] == [LIPS, NOWHERE]
    assert [word.word for words in text.words_by_face.values() for word in words] == ["now"]
    assert text.warning() == "1 word not spoken, as no lips speak in cue 2: bin"
    record = placement_record(text, "clip.mp4", 1.0)["words"]
    assert record[1] == {
        "cue": 2, "face": 0, "word": "bin", "placed": NOWHERE, "start": None, "end": None, "log_prob": None
    }  # fmt: skip


def test_a_script_too_long_for_its_speech_is_spread_over_it():
    cue = ScriptCue(tuple("abcdefghij" for _ in range(9)))
    placed = align_script(READER, [part("now")], [cue])
    assert [own.how for own in placed] == [SPREAD] * 9 and all(own.log_prob is None for own in placed)
    assert placed[0].start == 0 and placed[-1].end == pytest.approx(len(lips("now")) / 25)


@pytest.mark.parametrize("seed", range(20))
def test_words_stay_in_order_without_overlap_whatever_fits(seed):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(61), 12, replace=False)).astype(float)
    spans, letters = list(zip(edges[::2], edges[1::2], strict=True)), rng.integers(1, 9, 6).tolist()
    fits, scores = (rng.random(6) > 0.5).tolist(), rng.normal(-3, 3, 6).tolist()
    found, kept = spread(spans, fits, scores, letters, (0.0, 60.0))
    assert all(a[1] <= b[0] + 1e-9 for a, b in zip(found, found[1:], strict=False))
    assert found[0][0] >= 0 and found[-1][1] <= 60
    assert all(own == before for own, before, fit in zip(found, spans, kept, strict=True) if fit)
    assert not any(now and not before for now, before in zip(kept, fits, strict=True))
    assert all(b - a > 0 for (a, b), fit in zip(found, kept, strict=True) if not fit)


def test_spread_words_last_as_long_as_they_are_written():
    found, kept = spread([(0.0, 0.0)] * 3, [False] * 3, [None] * 3, [1, 2, 5], (8.0, 24.0))
    assert found == [(8.0, 10.0), (10.0, 14.0), (14.0, 24.0)] and kept == [False] * 3


def test_what_is_shown_and_warned_of():
    placed = [PlacedWord("bin", 1, LIPS, -0.1, 0, 0.1, 0.3), PlacedWord("red", 1, SPREAD, -7.25, 0, 0.3, 0.5)]
    text = ScriptText(placed, "grid")
    assert text.display_text() == "bin red(?)" and "red -7.2" in text.warning()
    assert [(word.word, word.confidence, guess) for _, word, guess, _ in text.entries()] == [
        ("bin", 1.0, False), ("red", 1.0, True),
    ]  # fmt: skip
    assert ScriptText(placed[:1], "grid").warning() is None


def test_a_video_says_a_script_through_the_command(tmp_path, capsys):
    video, script = write_video(tmp_path / "face.mp4", talking_face(36)), written(tmp_path, "bin red now", "s.txt")
    out, words = tmp_path / "dubbed.mp4", tmp_path / "placed.json"
    given = ["dub", str(video), "--script", str(script), "-o", str(out)]
    assert main([*given, "--words", str(words)]) == 0
    printed = capsys.readouterr()
    assert "spread" in printed.err and "red(?)" in printed.out
    record = json.loads(words.read_text("utf-8"))
    assert [own["word"] for own in record["words"]] == ["bin", "red", "now"] and record["voice"] == SYNTHETIC
    with av.open(str(out)) as container:
        assert container.metadata["comment"] == SYNTHETIC
    assert main(["speak", str(video), "-o", str(tmp_path / "plain.wav"), "--text", "none"]) == 0
    assert main([*given[:-1], str(tmp_path / "dubbed.wav")]) == 0
    assert not np.array_equal(read_wave(tmp_path / "plain.wav"), read_wave(tmp_path / "dubbed.wav"))


def test_what_cannot_be_dubbed_is_refused_and_nothing_written(tiny_voice_folder, tmp_path, capsys):
    video, script = write_video(tmp_path / "face.mp4", talking_face(25)), written(tmp_path, "hello", "s.txt")
    out = tmp_path / "dubbed.wav"
    given = ["dub", str(video), "--script", str(script), "-o", str(out)]
    assert main(given) == 1 and "does not know 'hello'" in capsys.readouterr().err
    assert main([*given, "--model", str(tiny_voice_folder)]) == 1 and "no listener" in capsys.readouterr().err
    assert main([*given[:-1], str(script)]) == 1 and script.read_text("utf-8") == "hello"
    assert main([*given, "--words", str(script)]) == 1 and not out.exists()
