"""The parallel grammar: a number has one meaning in six languages, in other word orders; combinations are held out."""

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
def test_sentences_are_distinct_and_can_be_spoken(language):
    lines = vocabulary_of(language).lines
    assert len(set(lines)) == len(lines) == 6912
    check_sayable(language, sorted(vocabulary_of(language).words()))


def test_sentences_of_a_number_mean_the_same_in_other_orders():
    assert sentence(0, "en") == "today the red dog sleeps at home"
    assert sentence(0, "es") == "el perro rojo duerme en casa hoy"
    assert sentence(0, "de") == "heute schläft der rote hund zu hause"
    assert translations(sentence(99, "fr"), "fr") == {
        language: sentence(99, language) for language in PARALLEL if language != "fr"
    }


def number_of(text, language):
    return vocabulary_of(language).lines.index(text)


def test_splits_have_the_same_meanings_in_all_languages_and_hold_combinations_out():
    splits = {language: draw_parallel(vocabulary_of(language), COUNTS, seed=3) for language in ("en", "de")}
    assert {name: len(texts) for name, texts in splits["de"].items()} == COUNTS
    numbers = {
        language: {k: [number_of(t, language) for t in v] for k, v in lists.items()}
        for language, lists in splits.items()
    }
    assert numbers["en"] == numbers["de"]

    def pairs(name):
        return {(meaning(number)[COLOUR], meaning(number)[ANIMAL]) for number in numbers["en"][name]}

    assert not pairs("train") & (pairs("test") | pairs("dev")) and len(pairs("test")) > 5
    # every single word is known
    assert {colour for colour, _ in pairs("test")} <= {colour for colour, _ in pairs("train")}
    assert not set(numbers["en"]["dev"]) & set(numbers["en"]["test"])
    assert draw_parallel(vocabulary_of("en"), COUNTS, seed=4) != splits["en"]


def test_refuses_more_sentences_than_exist():
    held_out_count = sum(is_held_out(number) for number in range(vocabulary_of("en").size))
    with pytest.raises(VsrError, match=f"has {held_out_count} and {6912 - held_out_count} sentences"):
        draw_parallel(vocabulary_of("en"), {"test": held_out_count + 1, "train": 1}, 0)


def test_corpus_has_its_translations(tmp_path, capsys):
    for language in ("en", "de"):
        out = str(tmp_path / language)
        counts = ["--train", "1", "--dev", "1", "--test", "0", "--seed", "1"]
        assert main(["prepare", "puppet", "--parallel", language, *counts, "--out", out]) == 0
    (english,), (german,) = (read_manifest(tmp_path / folder / "train.jsonl") for folder in ("en", "de"))
    assert english.translations["de"] == german.text and german.translations["en"] == english.text
    assert (english.language, german.language) == ("en", "de") and english.id == "en_puppet_train_00000" != german.id
    assert (
        set(english.translations) == set(PARALLEL) - {"en"}
        and english.phones
        and len(english.words) == len(english.text.split())
    )


@pytest.mark.parametrize("options, message", [
    (["--parallel", "xx"], f"no language 'xx': it can be {', '.join(PARALLEL)}"),
    (["--parallel", "es", "--vocabulary", "fr"], "leave --vocabulary out"),
])  # fmt: skip
def test_refuses_impossible_languages(tmp_path, capsys, options, message):
    assert main(["prepare", "puppet", *options, "--out", str(tmp_path / "new")]) == (1 if "xx" in options else 2)
    assert message in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert main(["prepare", "grid", "--parallel", "es", "--out", str(tmp_path / "new")]) == 2
    assert "works only with puppet" in capsys.readouterr().err


def test_sound_alone_is_that_of_the_video(tmp_path):
    """The same take: as many frames, the same words at the same times, by the requested voices."""
    counts = ["--train", "2", "--dev", "0", "--test", "0"]
    base = ["prepare", "puppet", "--parallel", "it", *counts, "--out"]
    assert main([*base, str(tmp_path / "v")]) == 0 and main([*base, str(tmp_path / "s"), "--sound-only"]) == 0
    assert main([*base, str(tmp_path / "one"), "--sound-only", "--voices", "1"]) == 0
    of_video, of_sound = (read_manifest(tmp_path / folder / "train.jsonl") for folder in "vs")
    assert [clip.words for clip in of_video] == [clip.words for clip in of_sound]
    for clip in of_sound:
        wave = read_wave(clip.sound)
        assert clip.sound.endswith(".wav") and len(wave) == 640 * clip.num_frames > 0
        start, end = (round(16_000 * second) for second in (clip.words[0][1], clip.words[-1][2]))
        assert np.abs(wave[start:end]).max() > 0.05 > np.abs(wave[: start - 800]).max()
    assert main(["prepare", "puppet", "--sound-only", "--out", str(tmp_path / "n")]) == 2


def test_every_language_has_an_entry_for_every_meaning():
    sizes = {
        language: tuple(len(entries.split("|")) for entries in rows[1:]) for language, rows in parallel._GRAMMAR.items()
    }
    assert set(sizes.values()) == {parallel.SIZES}
