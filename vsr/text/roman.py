"""Romanisation: text in Latin letters, for one character head for languages with different alphabets (Zero-AVSR).

Tables cover Cyrillic, Greek, Arabic (without vowels that it does not write) and Hebrew; kana and Hangul use the names
of their characters; other Latin letters lose their marks. Zero-AVSR (Yeo et al. 2025) uses uroman (Hermjakob et al.
2018), which covers all scripts; Chinese characters and the scripts of India are not covered here.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, name, normalize

from vsr.text.normalise import lower


def _table(entries: str) -> dict[str, str]:
    """Letter -> romanisation, from entries "a=b" separated by spaces."""
    return dict(entry.split("=") for entry in entries.split())


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
    """Normalised text in Latin letters, digits and apostrophes. Raises ValueError for an unknown letter."""
    return " ".join("".join(map(_letter, lower(text))).split())


@lru_cache(maxsize=4096)
def _letter(letter: str) -> str:
    if letter.isascii() or letter in TABLE:
        return TABLE.get(letter, letter)
    for prefix in NAMED:
        if name(letter, "").startswith(prefix):
            return name(letter)[len(prefix) :].removeprefix("SMALL ").lower()
    plain = "".join(c for c in normalize("NFKD", letter) if category(c)[0] != "M")
    if plain == letter:
        raise ValueError(f"no Latin letters are known for {name(letter, repr(letter)).lower()}")
    return "".join(map(_letter, plain))
