"""The puppet in other languages: its words, its voices, and what is refused."""

import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.corpora.puppet import PuppetSettings, languages, prepare_puppet
from vsr.corpora.puppet.languages import LANGUAGES, SLOTS, check_sayable, language_and_vocabulary, voices_of
from vsr.corpora.puppet.sentences import GRID_SLOTS, load_vocabulary
from vsr.corpora.puppet.visemes import mouth_track, phoneme_parts, unknown_sounds
from vsr.data.manifest import read_manifest
from vsr.text.ipa import sounds_of


@pytest.mark.parametrize("language", SLOTS)
def test_every_word_has_mouth_shapes_and_listed_sounds(language):
    from vsr.text.espeak import ipa_of

    words = [word for slot in SLOTS[language] for word in slot]
    check_sayable(language, words)
    assert all(sounds_of(ipa_of(word, language)) for word in words)
    assert load_vocabulary("grid", SLOTS[language]).size >= 20_000 and len(voices_of(language)) == 5


def test_english_words_are_as_before():
    vocabulary = load_vocabulary("grid")
    assert vocabulary.slots == GRID_SLOTS and vocabulary.spelling_of("z") == "[[zEd]]"
    assert load_vocabulary("grid", SLOTS["fr"]).spelling_of("z") == "z"


def test_sound_without_a_shape_is_refused_with_its_word(monkeypatch):
    monkeypatch.setattr(languages, "ipa_of", lambda word, voice: "pˈaʘ" if word == "b" else "pa")
    with pytest.raises(VsrError, match=r"sounds of xx: ʘ \(in b\)"):
        check_sayable("xx", ["a", "b"])
    assert unknown_sounds("ˈø_ʁ") == set() and phoneme_parts("ø") == ["ø"] and phoneme_parts("ʁ") == ["k"]


def test_french_vowels_are_rounded():
    from vsr.corpora.puppet.speech import Span

    mouths = {label: mouth_track((Span(label, 0.2, 0.6),), 20)[10] for label in ("e", "ø", "ɛ", "œ")}
    for plain, rounded in (("e", "ø"), ("ɛ", "œ")):
        assert mouths[rounded][2] > mouths[plain][2] + 0.3 and mouths[rounded][1] < mouths[plain][1]


def test_corpus_has_its_language(tmp_path, capsys):
    assert main(["prepare", "puppet", "--vocabulary", "fr", "--train", "1", "--dev", "0", "--test", "0", "--out",
                 str(tmp_path)]) == 0  # fmt: skip
    (clip,) = read_manifest(tmp_path / "train.jsonl")
    assert clip.id == "fr_puppet_train_00000" and clip.language == "fr" and len(clip.words) == 6
    assert all(word in slot for (word, *_), slot in zip(clip.words, SLOTS["fr"], strict=True))
    assert main(["prepare", "puppet", "--train", "1", "--dev", "0", "--test", "0", "--out", str(tmp_path)]) == 1
    message = f"{tmp_path} holds another puppet corpus (language fr, not none): choose another folder"
    assert message in capsys.readouterr().err


def test_refuses_more_voices_than_a_language_has(tmp_path, capsys):
    assert main(["prepare", "puppet", "--parallel", "es", "--voices", "99", "--out", str(tmp_path / "es")]) == 1
    assert "the puppet has 5 voices of es, not 99" in capsys.readouterr().err and not (tmp_path / "es").exists()


def test_refuses_unknown_language(tmp_path):
    with pytest.raises(VsrError, match=f"does not speak 'xx': it can be {', '.join(LANGUAGES)}"):
        prepare_puppet(tmp_path / "new", PuppetSettings(1, 0, 0), language="xx")
    assert not (tmp_path / "new").exists()


def test_vocabulary_names_its_language():
    assert [language_and_vocabulary(vocabulary) for vocabulary in ("grid", "fr", "fr:a.txt", "a.txt", "C:a.txt")] == [
        ("en", "grid"), ("fr", "grid"), ("fr", "a.txt"), ("en", "a.txt"), ("en", "C:a.txt"),
    ]  # fmt: skip
