"""Text in Latin letters: what one head over characters can say of languages with alphabets of their own (Zero-AVSR).

By tables for Cyrillic, Greek, Arabic (without the vowels that it does not write) and Hebrew; kana and Hangul by the
names of their characters; other Latin letters without their marks. Zero-AVSR (Yeo et al. 2025) uses uroman
(Hermjakob et al. 2018), which knows all scripts; Chinese characters and the scripts of India are not known here.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, name, normalize

from vsr.text.normalise import lower


def _table(listed: str) -> dict[str, str]:
    """Letters and what they become, "a=b" after one another."""
    return dict(own.split("=") for own in listed.split())


LATIN = _table("ß=ss æ=ae œ=oe ø=o ł=l đ=d ð=d þ=th ı=i ħ=h")
CYRILLIC = _table(
    "а=a б=b в=v г=g д=d е=e з=z и=i к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ы=y э=e і=i ј=j "
    "ђ=dj љ=lj њ=nj ћ=c џ=dz є=ye ґ=g ъ= ь= ж=zh ц=ts ч=ch ш=sh щ=shch ю=yu я=ya"
)
GREEK = _table("α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s τ=t υ=y φ=f χ=ch ψ=ps ω=o ς=s")
ARABIC = _table(
    "ا=a ب=b ت=t ث=th ج=j ح=h خ=kh د=d ذ=dh ر=r ز=z س=s ش=sh ص=s ض=d ط=t ظ=z ع=' غ=gh ف=f ق=q ك=k ل=l "
    "م=m ن=n ه=h و=w ي=y ى=a ة=h ء=' پ=p چ=ch گ=g ڤ=v"
)
HEBREW = _table(
    "א=' ב=v ג=g ד=d ה=h ו=v ז=z ח=kh ט=t י=y כ=kh ך=kh ל=l מ=m ם=m נ=n ן=n ס=s ע=' פ=p ף=f צ=ts ץ=ts ק=k ר=r ש=sh ת=t"
)
TABLE = LATIN | CYRILLIC | GREEK | ARABIC | HEBREW
NAMED = ("HANGUL SYLLABLE ", "HIRAGANA LETTER ", "KATAKANA LETTER ")


def romanised(text: str) -> str:
    """Normalised text in Latin letters, digits and apostrophes. Raises ValueError for a letter that is not known."""
    return " ".join("".join(map(_letter, lower(text))).split())


@lru_cache(maxsize=4096)
def _letter(letter: str) -> str:
    if letter.isascii() or letter in TABLE:
        return TABLE.get(letter, letter)
    for begin in NAMED:
        if name(letter, "").startswith(begin):
            return name(letter)[len(begin) :].removeprefix("SMALL ").lower()
    plain = "".join(own for own in normalize("NFKD", letter) if category(own)[0] != "M")
    if plain == letter:
        raise ValueError(f"no Latin letters are known for {name(letter, repr(letter)).lower()}")
    return "".join(map(_letter, plain))
