"""Phonemes, visemes, pronunciations and their tokenizers."""

import json

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.corpora.puppet.visemes import _CLASSES, _SHOWN, _TARGETS
from vsr.text.phonemes import PHONEMES, arpabet
from vsr.text.pronounce import Pronouncer, parse_dictionary
from vsr.text.tokenizer import CharTokenizer, load_tokenizer
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer, units_tokenizer
from vsr.text.visemes import ARPABET, ARPABET_OF, IPA, VISEMES, visemes_of

DICTIONARY = """;;; a comment
bin B IH1 N
blue B L UW1
a AH0  # article
a(2) EY1
pat P AE T
bat B AE T
the DH AH
the DH IY
"""


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(DICTIONARY)
    return str(path)


def test_every_phoneme_has_one_viseme():
    assert set(ARPABET) == set(PHONEMES)
    assert sum(len(phonemes.split()) for phonemes in ARPABET_OF.values()) == len(PHONEMES) == 39
    assert set(ARPABET.values()) == set(IPA.values()) == set(VISEMES) and len(VISEMES) == 16


def test_every_pose_of_the_puppet_has_a_viseme_and_each_viseme_a_pose():
    assert {key for key in _TARGETS if key} == set(_CLASSES) and set(IPA) <= set(_CLASSES)
    assert set(_SHOWN) == set(VISEMES) and all(IPA[shown] == viseme for viseme, shown in _SHOWN.items())


def test_ipa_of_one_sound_and_its_arpabet_look_alike():
    odd = {"ʌ", "ə", "ɜ", "ɛ", "e", "ɒ"}  # ARPAbet or its e, which is EH alone and EY in a diphthong
    assert all(visemes_of(arpabet(ipa)) == (viseme,) for ipa, viseme in IPA.items() if ipa not in odd)
    assert visemes_of(arpabet("ʌ")) == visemes_of(arpabet("ə")) == visemes_of(arpabet("ɜː")) == ("@",)


@pytest.mark.parametrize(
    "ipa, phones",
    [
        ("bˈɪn", "B IH N"),
        ("tʃˈɜːtʃ", "CH ER CH"),
        ("nˈaɪn", "N AY N"),
        ("bˈɔɪ", "B OY"),
        ("dʒˈʌmpɪŋ", "JH AH M P IH NG"),
    ],
)
def test_ipa_is_written_in_arpabet(ipa, phones):
    assert " ".join(arpabet(ipa)) == phones


def test_sound_that_english_lacks_is_named():
    with pytest.raises(ValueError, match="ʀ"):
        arpabet("ʀ")


def test_dictionary_gives_variants_in_order_without_stress(dictionary):
    pronouncer = Pronouncer([dictionary])
    assert pronouncer.variants("a") == (("AH",), ("EY",))
    assert pronouncer.variants("the") == (("DH", "AH"), ("DH", "IY"))
    assert pronouncer.words("Bin blue!")[1] == (("B", "L", "UW"),)


def test_unknown_words_are_counted_and_not_dropped(dictionary):
    pronouncer = Pronouncer([dictionary])
    assert pronouncer.variants("zebra") == () and pronouncer.variants("zebra") == ()
    assert pronouncer.unsaid == {"zebra": 2} and not pronouncer.guessed
    assert "zebra" in pronouncer.report() and "2 times" in pronouncer.report()
    tokenizer = UnitTokenizer(UnitSettings(dictionary=(dictionary,)))
    assert tokenizer.pieces(tokenizer.encode("bin zebra")) == ["B", "IH", "N", "|", "?"]


def test_first_dictionary_that_has_a_word_decides(dictionary, tmp_path):
    preferred = tmp_path / "own.txt"
    preferred.write_text("a EY\n")
    assert Pronouncer([str(preferred), dictionary]).variants("a") == (("EY",),)
    assert Pronouncer([str(preferred), dictionary]).variants("bin") == (("B", "IH", "N"),)


def test_espeak_pronounces_words_that_no_dictionary_has(dictionary):
    pronouncer = Pronouncer([dictionary, "espeak"])
    try:
        variants = pronouncer.variants("zebra")
    except VsrError as error:
        pytest.skip(f"{error}")
    assert variants[0][0] == "Z" and variants[0][-3:] == ("B", "R", "AH") and pronouncer.guessed == {"zebra": 1}


@pytest.mark.parametrize("line, message", [("bin B IX N", "'IX'"), ("bin", "'nothing'")])
def test_line_without_a_pronunciation_is_named(line, message):
    with pytest.raises(VsrError, match="words, line 7") as error:
        parse_dictionary([(7, line)], "words")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_missing_dictionary_is_named():
    with pytest.raises(VsrError, match="nowhere"):
        Pronouncer(["nowhere"])


@pytest.mark.parametrize("unit", ["phoneme", "viseme"])
@pytest.mark.parametrize("mark", [True, False])
def test_units_survive_saving_and_loading(dictionary, tmp_path, unit, mark):
    tokenizer = units_tokenizer(UnitSettings(unit, mark, "all", (dictionary,)), ["bin blue a", "the pat"])
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.unit == unit and loaded.units == tokenizer.units and loaded.settings == tokenizer.settings
    assert loaded.lexicon == tokenizer.lexicon and loaded.sources == tokenizer.sources
    assert loaded.encode("bin blue a") == tokenizer.encode("bin blue a")
    assert loaded.vocab_size == {"phoneme": 42, "viseme": 19}[unit] + mark


def test_folder_needs_no_dictionary_for_its_own_words(dictionary, tmp_path):
    units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["bin blue"]).save(tmp_path)
    (tmp_path / "words.txt").unlink()
    assert len(load_tokenizer(tmp_path).encode("blue bin")) == 7


def test_strings_of_units_round_trip(dictionary):
    tokenizer = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["bin blue a"])
    ids = tokenizer.encode("bin a blue")
    assert tokenizer.decode(ids) == "B IH N | AH | B L UW"
    assert tokenizer.ids(tokenizer.decode(ids).split()) == ids
    assert tokenizer.word_spans(ids) == [("B IH N", 0, 3), ("AH", 4, 5), ("B L UW", 6, 9)]


def test_all_pronunciations_are_drawn_by_the_seed(dictionary):
    tokenizer = units_tokenizer(UnitSettings(pronunciation="all", dictionary=(dictionary,)), ["a the"])
    drawn = {tuple(tokenizer.drawn("a the", np.random.default_rng(seed))) for seed in range(40)}
    assert len(drawn) == 4
    assert tokenizer.drawn("a the", np.random.default_rng(3)) == tokenizer.drawn("a the", np.random.default_rng(3))
    first = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["a the"])
    drawn = {tuple(first.drawn("a the", np.random.default_rng(seed))) for seed in range(9)}
    assert drawn == {tuple(first.encode("a the"))}


def test_homophenes_are_one_string_of_visemes(dictionary):
    tokenizer = units_tokenizer(UnitSettings("viseme", dictionary=(dictionary,)), ["pat bat"])
    assert tokenizer.encode("pat") == tokenizer.encode("bat")
    phonemes = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["pat bat"])
    assert phonemes.encode("pat") != phonemes.encode("bat")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder, config: (folder / "lexicon.txt").write_text("bin P IH N\n"), "is not the lexicon"),
        (lambda folder, config: (folder / "lexicon.txt").unlink(), "lexicon.txt"),
        (lambda folder, config: config["units"].reverse(), "other phonemes"),
        (lambda folder, config: config.pop("word_mark"), "word_mark"),
        (lambda folder, config: config.update(pronunciation="loud"), "loud"),
    ],
)
def test_inconsistent_folder_is_refused(dictionary, tmp_path, damage, message):
    units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["bin blue"]).save(tmp_path)
    config = json.loads((tmp_path / "tokenizer.json").read_text())
    damage(tmp_path, config)
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(VsrError, match=message):
        load_tokenizer(tmp_path)


def test_text_is_the_unit_of_other_tokenizers():
    assert CharTokenizer().unit == "text"
