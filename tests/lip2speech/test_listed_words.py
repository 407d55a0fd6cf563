"""What a list is read as: with the tracks that its manifest names, and nothing outside of the reader's domain."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lip2speech.inference import text
from lip2speech.inference.mismatched_words import PLACES, with_other_words
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.face.mouth_features import write_track
from vsr.inference import recognition
from vsr.inference.records import ScoredWords
from vsr.modelstore.folder import FUSED_READER
from vsr.output.transcript import TimedWord

TIMES = [("red", 0.2, 0.4)]


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Two clips, one of them with a track, and what the reader is shown of them."""
    rng, shown = np.random.default_rng(0), {}
    points = rng.normal(0, 1, (20, 9, 2)).cumsum(0) + np.arange(18).reshape(9, 2)
    write_track(tmp_path / "b.npz", points, rng.normal(1, 0.1, (20, 8)))
    clips = [Clip(name, f"{name}.mp4", "red", "s", 20, words=TIMES) for name in "ab"]
    clips[1] = replace(clips[1], track=str(tmp_path / "b.npz"))

    def read(loaded, crops, edges, options, mouths=None, waves=None):
        shown.update(crops=crops, mouths=mouths)
        chances = (0.9, 0.0)
        words = (TimedWord("bin", 0.1, 0.3, 0.7),)
        return [recognition.WindowReading((ScoredWords(-1.0, words),), chance) for chance in chances]

    monkeypatch.setattr(recognition, "read_windows", read)
    monkeypatch.setattr(text, "options_for", lambda reader: None)
    return clips, [np.zeros((20, 96, 96), np.uint8)] * 2, shown


def loaded(kind):
    return SimpleNamespace(reader=SimpleNamespace(config={"kind": kind}))


def test_tracks_are_read_by_a_reader_of_tracks_where_there_are_some(listed):
    clips, crops, shown = listed
    text.words_of_clips(loaded(FUSED_READER), clips, crops, "read")
    assert shown["mouths"][0] is None and shown["mouths"][1].shape == (20, 32)
    text.words_of_clips(loaded(""), clips, crops, "read")
    assert shown["mouths"] is None


def test_guesses_are_left_out_unless_they_are_let(listed):
    clips, crops, _ = listed
    words = {
        name: text.words_of_clips(loaded(""), clips, crops, name) for name in ("read", "read!", "manifest", "none")
    }
    assert [len(own) for own in words["read"]] == [1, 0] and [len(own) for own in words["read!"]] == [1, 1]
    assert words["manifest"][0][0].word == "red" and words["none"] == [[], []]


def test_the_control_lends_every_clip_the_words_of_one_that_says_something_else():
    texts = ["bin", "bin", "lay", "set", "bin", "lay", "set", "bin", "bin"]
    clips = [Clip(str(n), "v.mp4", own, "s", 20, words=[(own, 0.1 * n, 0.2 + n)]) for n, own in enumerate(texts)]
    lent = with_other_words(clips)
    assert [own.id for own in lent] == [own.id for own in clips] and [own.text for own in lent] == texts
    assert all(own.words[0][0] != own.text for own in lent)
    assert lent[2].words == clips[(2 + PLACES) % 9].words, "with its times"
    alone, wordless = [clips[0]], [replace(clips[0], words=[])]
    for wrong, why in ((clips[:2], "say the same"), (alone, "say the same"), (wordless, "no times of words")):
        with pytest.raises(VsrError, match=why):
            with_other_words(wrong)
