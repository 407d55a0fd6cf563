"""The puppet with one mouth shape for each viseme class, and its phonemes in the manifest."""

import json

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.corpora.puppet import PuppetSettings, prepare_puppet, render_sentence
from vsr.corpora.puppet.speech import Span, synthesiser
from vsr.corpora.puppet.visemes import mouth_track
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.targets import unit_frames
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer
from vsr.text.visemes import IPA, IPA_OF


def track(labels, homophenes):
    return mouth_track(
        tuple(Span(label, 0.4 + 0.1 * i, 0.5 + 0.1 * i) for i, label in enumerate(labels)), 40, homophenes
    )


@pytest.mark.parametrize("sounds", IPA_OF.values())
def test_sounds_of_one_viseme_look_the_same_only_with_homophenes(sounds):
    labels = sounds.split()
    with_homophenes = [track(["a", label, "i"], True) for label in labels]
    assert all(np.array_equal(with_homophenes[0], track) for track in with_homophenes)
    without = [track(["a", label, "i"], False) for label in labels]
    assert len(labels) == 1 or not all(np.array_equal(without[0], track) for track in without)


def test_visemes_still_differ():
    tracks = {viseme: track(["a", sounds.split()[0], "i"], True) for viseme, sounds in IPA_OF.items()}
    assert all(np.abs(tracks[a] - tracks[b]).max() > 0.01 for a in tracks for b in tracks if a < b)


@pytest.fixture(scope="module")
def espeak():
    try:
        return synthesiser()
    except VsrError as error:
        pytest.skip(str(error))


def test_clip_has_its_phonemes_inside_its_words(espeak, tmp_path):
    clip = render_sentence(tmp_path / "demo.mp4", "place blue by m five please")
    assert clip.phones[0][1] >= clip.words[0][1] - 1e-6 and clip.phones[-1][2] <= clip.words[-1][2] + 1e-6
    assert len(clip.phones) >= 15
    write_manifest(tmp_path / "all.jsonl", [clip])
    assert read_manifest(tmp_path / "all.jsonl") == [clip]


def test_corpus_of_homophenes_is_another_version(espeak, tmp_path):
    prepare_puppet(tmp_path, PuppetSettings(1, 1, 1, seed=3, jobs=1, homophenes=True))
    assert json.loads((tmp_path / "corpus.json").read_text())["version"] == 2
    (clip,) = read_manifest(tmp_path / "train.jsonl")
    assert clip.phones and all(start < end for _, start, end in clip.phones)
    with pytest.raises(VsrError, match="another puppet corpus"):
        prepare_puppet(tmp_path, PuppetSettings(1, 1, 1, seed=3, jobs=1))


def test_frames_follow_the_phonemes_of_a_clip():
    phones = (("b", 0.2, 0.28), ("aɪ", 0.28, 0.6), ("ɜː", 0.6, 0.8))
    clip = Clip("a", "a.mp4", "by her", words=(("by", 0.2, 0.6), ("her", 0.6, 0.8)), phones=phones)
    tokenizer = UnitTokenizer(UnitSettings())
    targets = unit_frames(clip, 25, tokenizer)
    labels = ["" if token == 0 else tokenizer.pieces([token])[0] for token in targets]
    assert labels == [""] * 5 + ["B"] * 2 + ["AY"] * 8 + ["ER"] * 5 + [""] * 5
    visemes = UnitTokenizer(UnitSettings("viseme"))
    assert visemes.pieces(unit_frames(clip, 25, visemes)[[6, 8, 18]]) == [IPA["b"], "a", IPA["ɜ"]]


def test_sound_that_is_not_english_is_named():
    clip = Clip("a", "a.mp4", "x", phones=(("ʀ", 0.0, 0.1),))
    with pytest.raises(VsrError, match="ʀ"):
        unit_frames(clip, 25, UnitTokenizer(UnitSettings()))


@pytest.mark.parametrize("phones", [[["b", 0.2]], [["b", 0.4, 0.2]], "b"])
def test_refuses_impossible_phones(tmp_path, phones):
    line = {"id": "a", "video": "a.mp4", "text": "b", "phones": phones}
    (tmp_path / "all.jsonl").write_text(json.dumps(line))
    with pytest.raises(VsrError, match="line 1"):
        read_manifest(tmp_path / "all.jsonl")
