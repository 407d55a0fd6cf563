"""Words of a manifest's clips as read: with the manifest's tracks, and none outside the model's domain."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lip2speech.inference import text
from lip2speech.inference.mismatched_words import PLACES, with_other_words
from lip2speech.inference.synthesis_options import SynthesisOptions
from lip2speech.inference.synthesizer import synthesize_list
from vsr.cli.clip_list_messages import tell_missing_tracks
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.face.mouth_features import write_track
from vsr.inference import recognition
from vsr.inference.records import ScoredWords
from vsr.modelstore.folder import FUSED_READER
from vsr.output.transcript import TimedWord

TIMES = [("red", 0.2, 0.4)]


@pytest.fixture
def clips_and_inputs(tmp_path, monkeypatch):
    """Two clips, one of them with a track, their crops, and the inputs that the reader gets."""
    rng, inputs = np.random.default_rng(0), {}
    points = rng.normal(0, 1, (20, 9, 2)).cumsum(0) + np.arange(18).reshape(9, 2)
    write_track(tmp_path / "b.npz", points, rng.normal(1, 0.1, (20, 8)))
    clips = [Clip(name, f"{name}.mp4", "red", "s", 20, words=TIMES) for name in "ab"]
    clips[1] = replace(clips[1], track=str(tmp_path / "b.npz"))

    def read(loaded, crops, edges, options, mouths=None, waves=None):
        inputs.update(crops=crops, mouths=mouths)
        domains = (0.9, 0.0)
        words = (TimedWord("bin", 0.1, 0.3, 0.7),)
        return [recognition.WindowReading((ScoredWords(-1.0, words),), chance) for chance in domains]

    monkeypatch.setattr(recognition, "read_windows", read)
    monkeypatch.setattr(text, "options_for", lambda reader: None)
    return clips, [np.zeros((20, 96, 96), np.uint8)] * 2, inputs


def loaded(kind):
    return SimpleNamespace(reader=SimpleNamespace(config={"kind": kind}))


def test_tracks_are_read_by_a_model_of_tracks(clips_and_inputs):
    clips, crops, inputs = clips_and_inputs
    text.words_of_clips(loaded(FUSED_READER), clips, crops, "read")
    assert inputs["mouths"][0] is None and inputs["mouths"][1].shape == (20, 32)
    text.words_of_clips(loaded(""), clips, crops, "read")
    assert inputs["mouths"] is None


def test_words_outside_the_domain_are_left_out_by_default(clips_and_inputs):
    clips, crops, _ = clips_and_inputs
    words = {
        name: text.words_of_clips(loaded(""), clips, crops, name) for name in ("read", "read!", "manifest", "none")
    }
    assert [len(clip_words) for clip_words in words["read"]] == [1, 0] and [
        len(clip_words) for clip_words in words["read!"]
    ] == [1, 1]
    assert words["manifest"][0][0].word == "red" and words["none"] == [[], []]


def test_control_gives_every_clip_the_words_of_another_text():
    texts = ["bin", "bin", "lay", "set", "bin", "lay", "set", "bin", "bin"]
    clips = [Clip(str(n), "v.mp4", word, "s", 20, words=[(word, 0.1 * n, 0.2 + n)]) for n, word in enumerate(texts)]
    exchanged = with_other_words(clips)
    assert [clip.id for clip in exchanged] == [clip.id for clip in clips] and [clip.text for clip in exchanged] == texts
    assert all(clip.words[0][0] != clip.text for clip in exchanged)
    assert exchanged[2].words == clips[(2 + PLACES) % 9].words, "with its times"
    alone, wordless = [clips[0]], [replace(clips[0], words=[])]
    for wrong, message in ((clips[:2], "say the same"), (alone, "say the same"), (wordless, "no times of words")):
        with pytest.raises(VsrError, match=message):
            with_other_words(wrong)


def test_manifest_without_times_of_words_gives_no_voice_its_words(tmp_path):
    clips = [Clip("a", "a.mp4", "red", "s", 20)]
    with pytest.raises(VsrError, match="no clip has times of words") as caught:
        synthesize_list(None, clips, tmp_path, tmp_path / "out", SynthesisOptions(text="manifest"))
    assert caught.value.reason == "bad_manifest" and not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [FUSED_READER, ""])
def test_clips_without_tracks_are_told_where_the_reader_would_read_them(clips_and_inputs, capsys, kind):
    model = SimpleNamespace(config={"kind": kind}, name="fused")
    tell_missing_tracks(model, clips_and_inputs[0])
    line = "vsr: 1 of 2 clips (a) have no track of mouth points (vsr crop --tracks): fused reads their pixels alone\n"
    assert capsys.readouterr().err == (line if kind else "")
