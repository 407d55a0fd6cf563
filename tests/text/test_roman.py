"""Text of any alphabet in Latin letters."""

import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.models.roman_head import RomanCTCSettings
from vsr.text.roman import TABLE, romanised


@pytest.mark.parametrize(
    "text, wanted",
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
def test_each_alphabet(text, wanted):
    assert romanised(text) == wanted
    assert romanised(wanted) == wanted, "what is in Latin letters stays"


def test_tables_give_latin_letters_alone():
    assert all(own.isascii() and set(own) <= set("abcdefghijklmnopqrstuvwxyz'") for own in TABLE.values())


def test_the_head_spells_a_text_in_latin_letters_and_refuses_what_it_does_not_know():
    settings = RomanCTCSettings()
    tokenizer = settings.tokenizer(None)
    made = settings.targets(Clip("c", "", "Мир"), 9, tokenizer)
    assert tokenizer.decode(made["tokens"].values) == "mir"
    assert settings.build(8, 3).out_features == tokenizer.vocab_size
    with pytest.raises(VsrError, match="no Latin letters are known for devanagari letter ka"):
        settings.targets(Clip("c", "", "क"), 9, tokenizer)
