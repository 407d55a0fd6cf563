"""Speech sounds of several languages in one list: letters of the International Phonetic Alphabet, as in espeak.

Stress, length and syllable marks are left out; affricates and diphthongs are sequences of letters, nasal vowels are
separate sounds. So languages share the sounds that they have in common, as in SBL (Luo et al. 2020).
"""

from __future__ import annotations

import unicodedata

from vsr.text.unit_list import UnitList

CONSONANTS = tuple("pbtdkɡmnɲŋfvβθðszʃʒʂʐɕʑçʝxɣχʁhɾrɹlʎɫjɥwʔ")
VOWELS = tuple("iɪeɛæaɐɑɒʌəɘɚɜɝɤɨᵻʉɔoʊɯuyʏøœ")
NASAL = tuple(vowel + "\u0303" for vowel in "ieɛɐɑɔouœ")
SOUNDS = (*CONSONANTS, *VOWELS, *NASAL)

_SAME = {"g": "ɡ", "ɱ": "m", "ʍ": "w", "ʌ\u0303": "ɐ\u0303", "a\u0303": "ɐ\u0303"}
_SILENT = frozenset(":ːˑˈˌ\u0329\u032f\u0361ʲʰ‿_- 0123456789˥˦˧˨˩")
_TILDE = "\u0303"


def sounds_of(ipa: str) -> tuple[str, ...]:
    """IPA -> sounds of the list. Raises ValueError for a sign that is not in the list."""
    sounds: list[str] = []
    for sign in unicodedata.normalize("NFD", ipa).replace("c\u0327", "ç"):
        if sign in _SILENT:
            continue
        if sign == _TILDE and sounds:
            sounds[-1] = _SAME.get(sounds[-1] + sign, sounds[-1] + sign)
        else:
            sounds.append(_SAME.get(sign, sign))
    if unknown := [sound for sound in sounds if sound not in _KNOWN]:
        raise ValueError(f"no sound of the list is written {unknown[0]!r}, in {ipa!r}")
    return tuple(sounds)


_KNOWN = frozenset(SOUNDS)


class SoundTokenizer(UnitList):
    """The sounds as tokens; texts are written in IPA."""

    unit = "ipa"

    def __init__(self) -> None:
        super().__init__(SOUNDS)

    def encode(self, text: str) -> list[int]:
        """Ids of a text in IPA. Raises ValueError for a sign that is not a sound."""
        return self.ids(sounds_of(text))
