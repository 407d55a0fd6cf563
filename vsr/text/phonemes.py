"""The 39 phonemes of ARPAbet without stress, as in the CMU dictionary, and the conversion from IPA."""

from __future__ import annotations

from vsr.text.visemes import VISEMES

PHONEMES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
UNITS = {"phoneme": PHONEMES, "viseme": VISEMES}
MARK = "|"  # between words in a string of units

# Keys of one, two or three letters; the longest match is taken. Diphthongs and r-coloured vowels are those of English.
_ARPABET = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "m": "M", "n": "N", "ŋ": "NG", "f": "F",
    "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "x": "K", "l": "L", "ɫ": "L",
    "ɹ": "R", "r": "R", "j": "Y", "w": "W", "ʍ": "W", "ɾ": "D", "ʔ": "T", "tʃ": "CH", "dʒ": "JH",
    "i": "IY", "ɪ": "IH", "ᵻ": "IH", "e": "EH", "ɛ": "EH", "æ": "AE", "a": "AE", "ɑ": "AA", "ɒ": "AA", "ʌ": "AH",
    "ə": "AH", "ɐ": "AH", "ɔ": "AO", "o": "OW", "ʊ": "UH", "u": "UW", "y": "UW", "ʉ": "UW",
    "ɜ": "ER", "ɚ": "ER", "ɝ": "ER",
    "eɪ": "EY", "aɪ": "AY", "aʊ": "AW", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "əl": "AH L", "ɪə": "IH R", "eə": "EH R",
    "ʊə": "UH R", "aɪə": "AY ER", "aʊə": "AW ER", "ɔɹ": "AO R", "oɹ": "AO R", "ɜɹ": "ER", "əɹ": "ER",
}  # fmt: skip
_LONGEST = max(map(len, _ARPABET))
_SILENT = frozenset(":ːˑˈˌ̩̃ʲ‿͡_- ")


def arpabet(ipa: str) -> tuple[str, ...]:
    """IPA of English -> ARPAbet, without stress, length and other signs that are no sounds.

    Raises ValueError for an unknown sign.
    """
    letters = "".join(c for c in ipa if c not in _SILENT)
    phones: list[str] = []
    place = 0
    while place < len(letters):
        for size in range(min(_LONGEST, len(letters) - place), 0, -1):
            if symbols := _ARPABET.get(letters[place : place + size]):
                phones += symbols.split()
                place += size
                break
        else:
            raise ValueError(f"no phoneme of English is written {letters[place]!r}, in {ipa!r}")
    return tuple(phones)
