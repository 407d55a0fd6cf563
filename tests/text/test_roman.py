"""Romanised text of any alphabet."""

import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.models.roman_head import RomanCTCSettings
from vsr.text.roman import TABLE, romanised


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Bin blue at F two, now!", "bin blue at f two now"),
        ("Größe, señor, œuvre", "grosse senor oeuvre"),
        ("Привет, мир", "privet mir"),
        ("ёлка й", "elka i"),
        ("Ευχαριστώ πολύς", "eycharisto polys"),
        ("한국", "hangug"),
        ("かたカナ", "katakana"),
        ("سلام", "slam"),
        ("שלום", "shlvm"),
        ("", ""),
    ],
)
def test_each_alphabet_is_romanised(text, expected):
    assert romanised(text) == expected
    assert romanised(expected) == expected, "what is in Latin letters stays"


def test_tables_have_only_latin_letters():
    assert all(letters.isascii() and set(letters) <= set("abcdefghijklmnopqrstuvwxyz'") for letters in TABLE.values())


def test_head_spells_a_text_in_latin_letters_and_refuses_unknown_ones():
    settings = RomanCTCSettings()
    tokenizer = settings.tokenizer(None)
    targets = settings.targets(Clip("c", "", "Мир"), 9, tokenizer)
    assert tokenizer.decode(targets["tokens"].values) == "mir"
    assert settings.build(8, 3).out_features == tokenizer.vocab_size
    with pytest.raises(VsrError, match="no Latin letters are known for devanagari letter ka"):
        settings.targets(Clip("c", "", "क"), 9, tokenizer)
