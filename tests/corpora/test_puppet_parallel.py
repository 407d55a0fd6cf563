"""The parallel grammar: one meaning by one number in six languages, words in other orders, combinations held out."""

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.corpora.puppet import parallel
from vsr.corpora.puppet.languages import check_sayable
from vsr.corpora.puppet.parallel import (
    ANIMAL,
    COLOUR,
    PARALLEL,
    draw_parallel,
    is_held_out,
    meaning,
    sentence,
    translations,
    vocabulary_of,
)
from vsr.data.manifest import read_manifest
from vsr.media.audio import read_wave

COUNTS = {"dev": 20, "test": 30, "train": 200}


@pytest.mark.parametrize("language", PARALLEL)
def test_every_sentence_is_another_and_can_be_said(language):
    lines = vocabulary_of(language).lines
    assert len(set(lines)) == len(lines) == 6912
    check_sayable(language, sorted(vocabulary_of(language).words()))


def test_sentences_of_a_number_say_the_same_in_other_orders():
    assert sentence(0, "en") == "today the red dog sleeps at home"
    assert sentence(0, "es") == "el perro rojo duerme en casa hoy"
    assert sentence(0, "de") == "heute schläft der rote hund zu hause"
    assert translations(sentence(99, "fr"), "fr") == {own: sentence(99, own) for own in PARALLEL if own != "fr"}


def number_of(text, language):
    return vocabulary_of(language).lines.index(text)


def test_splits_have_the_same_meanings_in_all_languages_and_hold_combinations_out():
    each = {own: draw_parallel(vocabulary_of(own), COUNTS, seed=3) for own in ("en", "de")}
    assert {name: len(texts) for name, texts in each["de"].items()} == COUNTS
    numbers = {own: {k: [number_of(t, own) for t in v] for k, v in made.items()} for own, made in each.items()}
    assert numbers["en"] == numbers["de"]

    def pairs(name):
        return {(meaning(own)[COLOUR], meaning(own)[ANIMAL]) for own in numbers["en"][name]}

    assert not pairs("train") & (pairs("test") | pairs("dev")) and len(pairs("test")) > 5
    assert {own for own, _ in pairs("test")} <= {own for own, _ in pairs("train")}  # each word alone is known
    assert not set(numbers["en"]["dev"]) & set(numbers["en"]["test"])
    assert draw_parallel(vocabulary_of("en"), COUNTS, seed=4) != each["en"]


def test_more_than_there_are_is_refused():
    apart = sum(is_held_out(own) for own in range(vocabulary_of("en").size))
    with pytest.raises(VsrError, match=f"has {apart} and {6912 - apart} sentences"):
        draw_parallel(vocabulary_of("en"), {"test": apart + 1, "train": 1}, 0)


def test_a_corpus_has_its_translations(tmp_path, capsys):
    for language in ("en", "de"):
        out = str(tmp_path / language)
        counts = ["--train", "1", "--dev", "1", "--test", "0", "--seed", "1"]
        assert main(["prepare", "puppet", "--parallel", language, *counts, "--out", out]) == 0
    (one,), (other,) = (read_manifest(tmp_path / own / "train.jsonl") for own in ("en", "de"))
    assert one.translations["de"] == other.text and other.translations["en"] == one.text
    assert (one.language, other.language) == ("en", "de") and one.id == "en_puppet_train_00000" != other.id
    assert set(one.translations) == set(PARALLEL) - {"en"} and one.phones and len(one.words) == len(one.text.split())


@pytest.mark.parametrize("options, said", [
    (["--parallel", "xx"], f"no language 'xx': it can be {', '.join(PARALLEL)}"),
    (["--parallel", "es", "--vocabulary", "fr"], "leave --vocabulary out"),
])  # fmt: skip
def test_what_it_cannot_say_is_refused(tmp_path, capsys, options, said):
    assert main(["prepare", "puppet", *options, "--out", str(tmp_path / "new")]) == (1 if "xx" in options else 2)
    assert said in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert main(["prepare", "grid", "--parallel", "es", "--out", str(tmp_path / "new")]) == 2
    assert "works only with puppet" in capsys.readouterr().err


def test_sound_alone_is_that_of_the_video(tmp_path):
    """The same take: as many frames, the same words at the same times, by the voices that are asked for."""
    counts = ["--train", "2", "--dev", "0", "--test", "0"]
    base = ["prepare", "puppet", "--parallel", "it", *counts, "--out"]
    assert main([*base, str(tmp_path / "v")]) == 0 and main([*base, str(tmp_path / "s"), "--sound-only"]) == 0
    assert main([*base, str(tmp_path / "one"), "--sound-only", "--voices", "1"]) == 0
    seen, heard = (read_manifest(tmp_path / own / "train.jsonl") for own in "vs")
    assert [own.words for own in seen] == [own.words for own in heard]
    for clip in heard:
        wave = read_wave(clip.sound)
        assert clip.sound.endswith(".wav") and len(wave) == 640 * clip.num_frames > 0
        start, end = (round(16_000 * own) for own in (clip.words[0][1], clip.words[-1][2]))
        assert np.abs(wave[start:end]).max() > 0.05 > np.abs(wave[: start - 800]).max()
    assert main(["prepare", "puppet", "--sound-only", "--out", str(tmp_path / "n")]) == 2


def test_every_language_has_an_entry_for_every_meaning():
    sizes = {own: tuple(len(entries.split("|")) for entries in rows[1:]) for own, rows in parallel._GRAMMAR.items()}
    assert set(sizes.values()) == {parallel.SIZES}
