"""Dubbing scripts: how they are read, where their words are placed, and that none is lost, moved or invented."""

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
from vsr.inference.speech import EncodedWindow
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


def script_file(tmp_path, text, name="s.srt"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_cues_are_read_without_numbers_and_mark_up(tmp_path):
    assert read_script(script_file(tmp_path, SRT)) == [
        ScriptCue(("bin", "blue", "at", "f", "two"), 1.0, 2.5), ScriptCue(("now",), 3.5, 4.0),
        ScriptCue(("7",), 60.0, 3600.0),
    ]  # fmt: skip
    assert read_script(script_file(tmp_path, "Bin\nblue!", "s.txt")) == [ScriptCue(("bin", "blue"), -EVER, EVER)]


BAD = {
    "s.srt": ("bin blue", "no cue"), "back.srt": ("1\n00:00:02,000 --> 00:00:01,000\nbin\n", "ends before"),
    "empty.srt": ("1\n00:00:01,000 --> 00:00:02,000\n...\n", "no words"), "none.txt": (" \n", "no words"),
    "s.doc": ("bin", ".srt or a .txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_is_no_script_in_one_line(tmp_path, name):
    text, message = BAD[name]
    with pytest.raises(VsrError, match=message) as caught:
        read_script(script_file(tmp_path, text, name))
    assert caught.value.reason == "bad_text"


def test_refuses_unreadable_script(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for name in ("latin.txt", "missing.txt"):
        with pytest.raises(VsrError, match="cannot be read as a script"):
            read_script(tmp_path / name)


class Certain:
    """A model whose states are one-hot log-probabilities of a text."""

    ctc, alignment = True, None

    def ctc_log_probs(self, states):
        return states


TOKENIZER = CharTokenizer(" abcdefghijklmnopqrstuvwxyz")
READER = SimpleNamespace(model=Certain(), tokenizer=TOKENIZER, name="certain")


def lips(text, frames_per_letter=4, rest=2):
    """States (N, V) of lips that say a text, with so many frames per letter and so many of rest between letters."""
    tokens = [
        token
        for token_of_letter in TOKENIZER.encode(text)
        for token in [token_of_letter] * frames_per_letter + [0] * rest
    ]
    states = torch.full((len(tokens), TOKENIZER.vocab_size), -12.0)
    states[torch.arange(len(tokens)), torch.tensor(tokens)] = -1e-4
    return states


def part(text, start=0.0, face=0):
    states = lips(text)
    return EncodedWindow(face, states, start + np.arange(len(states) + 1) / 25)


def test_words_that_the_lips_say_are_placed_where_they_say_them():
    placed = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    assert [word.how for word in placed] == [LIPS] * 3 and all(word.log_prob > -0.01 for word in placed)
    letters = 6 / 25
    for word, first, count in zip(placed, (0, 4, 9), (3, 4, 3), strict=True):
        assert word.start == pytest.approx(first * letters, abs=0.2)
        assert word.end == pytest.approx((first + count) * letters, abs=0.2)
    assert all(a.end <= b.start for a, b in zip(placed, placed[1:], strict=False))


def test_word_that_does_not_fit_is_spread_and_its_neighbours_stay():
    right = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    other = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "xyz", "now"))])
    assert [word.how for word in other] == [LIPS, SPREAD, LIPS] and other[1].log_prob < script_alignment.FITS
    assert (other[0].start, other[2].end) == (right[0].start, right[2].end)
    assert (other[1].start, other[1].end) == pytest.approx((other[0].end, other[2].start))


def test_cues_limit_where_words_are_placed():
    """The same word is said twice: each cue finds its own, across a pause, by the face that says it."""
    parts = [part("now", 1.0, face=0), part("now", 7.0, face=2)]
    first, second = align_script(READER, parts, [ScriptCue(("now",), 1.0, 2.0), ScriptCue(("now",), 7.0, 8.0)])
    assert (first.face, second.face) == (0, 2) and (first.how, second.how) == (LIPS, LIPS)
    assert 0.9 <= first.start < first.end <= 2.0 and 7.0 <= second.start < second.end <= 8.0
    (late,) = align_script(READER, parts, [ScriptCue(("now",), 6.9, 8.0)])
    assert late.start >= 7.0


@pytest.mark.parametrize("border", [0.5, 0.85, 1.1])
def test_border_of_cues_need_not_be_that_of_the_words(border):
    """Cues of one window are aligned together."""
    single_cue = align_script(READER, [part("bin blue now")], [ScriptCue(("bin", "blue", "now"))])
    cues = [ScriptCue(("bin", "blue"), 0.0, border), ScriptCue(("now",), border, 3.0)]
    placed = align_script(READER, [part("bin blue now")], cues)
    assert [(word.word, word.cue, word.start) for word in placed] == [
        (word.word, number, word.start) for word, number in zip(single_cue, (1, 1, 2), strict=True)
    ]


def test_cues_in_one_window_are_aligned_together():
    windows = [(0.0, 3.0), (5.0, 8.0), (8.0, 11.0)]
    cues = [ScriptCue(("a",), *times) for times in ((0, 1), (1, 3), (3.5, 4), (5, 6), (6, 9), (9, 11), (12, 13))]
    assert script_alignment.cues_aligned_together(windows, cues) == [[0, 1], [2], [3, 4, 5], [6]]


class Framed(Certain):
    """With an alignment head, which finds speech in some frames."""

    def __init__(self, speech):
        self.speech = torch.tensor(speech)

    def alignment(self, states):
        return torch.stack([torch.zeros(len(states)), self.speech[: len(states)] - 0.5], 1)


@pytest.mark.parametrize("speech, expected", [
    ([0, 0, 1, 1, 1, 0, 0, 0, 0, 0], (0, 10)),
    ([1, 0, 1, 1, 1, 0, 0, 0, 0, 0], (2, 10)),
    ([0, 0, 1, 1, 1, 0, 0, 0, 0, 1], (0, 5)),
])  # fmt: skip
def test_still_frames_beside_a_cue_are_included(speech, expected):
    window = EncodedWindow(0, torch.zeros(10, 4), np.arange(11) / 25)
    assert script_alignment.extend_to_silence(Framed(speech), [window], 2, 5) == expected


def test_words_of_a_face_at_rest_are_placed_nowhere():
    placed = align_script(READER, [], [ScriptCue(("bin", "blue"), 0.0, 1.0), ScriptCue(("now",), 1.0, 2.0)])
    assert [(word.word, word.cue) for word in placed] == [("bin", 1), ("blue", 1), ("now", 2)]
    assert {word.how for word in placed} == {NOWHERE}


@pytest.mark.parametrize("reason", ["at_rest", "covered", "no_face"])
def test_script_of_a_video_without_speech_is_no_error(reason, monkeypatch):
    def silent(*arguments):
        raise VsrError(reason, "clip.mp4: nobody speaks")

    monkeypatch.setattr("vsr.inference.speech.encoded_windows", silent)
    for name in ("resolve_text_source", "check_words", "check_writable"):
        monkeypatch.setattr(f"lip2speech.inference.script_text.{name}", lambda *arguments: None)
    voice = SimpleNamespace(reader=READER)
    if reason == "no_face":
        with pytest.raises(VsrError, match="nobody speaks"):
            open_script(voice, [ScriptCue(("now",), 1.0, 2.0)], None, "clip.mp4")
    else:
        assert [word.how for word in open_script(voice, [ScriptCue(("now",), 1.0, 2.0)], None, "clip.mp4").placed] == [
            NOWHERE
        ]


def test_words_without_speaking_lips_are_not_voiced():
    cues = [ScriptCue(("now",), 1.0, 2.0), ScriptCue(("bin",), 4.0, 5.0)]
    text = ScriptText(align_script(READER, [part("now", 1.0)], cues), "certain")
    assert [placed_word.how for placed_word in text.placed] == [LIPS, NOWHERE]
    assert [word.word for words in text.words_by_face.values() for word in words] == ["now"]
    assert text.warning() == "1 word not spoken, as no lips speak in cue 2: bin"
    record = placement_record(text, "clip.mp4", 1.0)["words"]
    assert record[1] == {
        "cue": 2, "face": 0, "word": "bin", "placed": NOWHERE, "start": None, "end": None, "log_prob": None
    }  # fmt: skip


def test_script_too_long_for_its_speech_is_spread_over_it():
    cue = ScriptCue(tuple("abcdefghij" for _ in range(9)))
    placed = align_script(READER, [part("now")], [cue])
    assert [word.how for word in placed] == [SPREAD] * 9 and all(word.log_prob is None for word in placed)
    assert placed[0].start == 0 and placed[-1].end == pytest.approx(len(lips("now")) / 25)


@pytest.mark.parametrize("seed", range(20))
def test_placed_words_stay_in_order_without_overlap(seed):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(61), 12, replace=False)).astype(float)
    spans, letters = list(zip(edges[::2], edges[1::2], strict=True)), rng.integers(1, 9, 6).tolist()
    fits, scores = (rng.random(6) > 0.5).tolist(), rng.normal(-3, 3, 6).tolist()
    spans_after, fits_after = spread(spans, fits, scores, letters, (0.0, 60.0))
    assert all(a[1] <= b[0] + 1e-9 for a, b in zip(spans_after, spans_after[1:], strict=False))
    assert spans_after[0][0] >= 0 and spans_after[-1][1] <= 60
    assert all(after == before for after, before, fit in zip(spans_after, spans, fits_after, strict=True) if fit)
    assert not any(fits_now and not before for fits_now, before in zip(fits_after, fits, strict=True))
    assert all(b - a > 0 for (a, b), fit in zip(spans_after, fits_after, strict=True) if not fit)


def test_spread_words_share_the_time_by_their_letters():
    spans, fits = spread([(0.0, 0.0)] * 3, [False] * 3, [None] * 3, [1, 2, 5], (8.0, 24.0))
    assert spans == [(8.0, 10.0), (10.0, 14.0), (14.0, 24.0)] and fits == [False] * 3


def test_text_shown_and_warning_of_uncertain_words():
    placed = [PlacedWord("bin", 1, LIPS, -0.1, 0, 0.1, 0.3), PlacedWord("red", 1, SPREAD, -7.25, 0, 0.3, 0.5)]
    text = ScriptText(placed, "grid")
    assert text.display_text() == "bin red(?)" and "red -7.2" in text.warning()
    assert [(word.word, word.confidence, guess) for _, word, guess, _ in text.entries()] == [
        ("bin", 1.0, False), ("red", 1.0, True),
    ]  # fmt: skip
    assert ScriptText(placed[:1], "grid").warning() is None


def test_dub_writes_video_and_placed_words(tmp_path, capsys):
    video, script = write_video(tmp_path / "face.mp4", talking_face(36)), script_file(tmp_path, "bin red now", "s.txt")
    out, words_file = tmp_path / "dubbed.mp4", tmp_path / "placed.json"
    command = ["dub", str(video), "--script", str(script), "-o", str(out)]
    assert main([*command, "--words", str(words_file)]) == 0
    output = capsys.readouterr()
    assert "spread" in output.err and "red(?)" in output.out
    record = json.loads(words_file.read_text("utf-8"))
    assert [word["word"] for word in record["words"]] == ["bin", "red", "now"] and record["voice"] == SYNTHETIC
    with av.open(str(out)) as container:
        assert container.metadata["comment"] == SYNTHETIC
    assert main(["speak", str(video), "-o", str(tmp_path / "plain.wav"), "--text", "none"]) == 0
    assert main([*command[:-1], str(tmp_path / "dubbed.wav")]) == 0
    assert not np.array_equal(read_wave(tmp_path / "plain.wav"), read_wave(tmp_path / "dubbed.wav"))


def test_dub_refuses_what_cannot_be_dubbed_and_writes_nothing(tiny_voice_folder, tmp_path, capsys):
    video, script = write_video(tmp_path / "face.mp4", talking_face(25)), script_file(tmp_path, "hello", "s.txt")
    out = tmp_path / "dubbed.wav"
    command = ["dub", str(video), "--script", str(script), "-o", str(out)]
    assert main(command) == 1 and "does not know 'hello'" in capsys.readouterr().err
    assert main([*command, "--model", str(tiny_voice_folder)]) == 1 and "no listener" in capsys.readouterr().err
    assert main([*command[:-1], str(script)]) == 1 and script.read_text("utf-8") == "hello"
    assert main([*command, "--words", str(script)]) == 1 and not out.exists()
