"""Visemes: the 16 classes of sounds that look alike on the lips, for ARPAbet and IPA.

The classes are those of the viseme table of SPECTRE (Filntisis et al. 2023), as in common speech synthesisers. ARPAbet
without stress has one symbol for ə and ʌ (AH), and one for ɚ and ɝ (ER). The unstressed sound is by far the more
frequent, so both are in the class "@" here; the table has ʌ and ɝ in "E".
"""

from __future__ import annotations

from collections.abc import Iterable

VISEMES = ("p", "f", "T", "t", "s", "S", "k", "r", "u", "i", "e", "E", "a", "@", "o", "O")

ARPABET_OF = {
    "p": "P B M", "f": "F V", "T": "TH DH", "t": "T D N L", "s": "S Z", "S": "SH ZH CH JH", "k": "K G NG HH", "r": "R",
    "u": "UW UH W", "i": "IY IH Y", "e": "EY", "E": "EH", "a": "AA AE AY AW", "@": "AH ER", "o": "OW", "O": "AO OY",
}  # fmt: skip
IPA_OF = {
    "p": "p b m", "f": "f v", "T": "θ ð", "t": "t d n l", "s": "s z", "S": "ʃ ʒ tʃ dʒ", "k": "k ɡ ŋ h", "r": "ɹ",
    "u": "u ʊ w", "i": "i ɪ j", "e": "e", "E": "ɛ", "a": "a ɑ æ", "@": "ə ʌ ɜ", "o": "o", "O": "ɔ ɒ",
}  # fmt: skip

ARPABET = {phone: viseme for viseme, phones in ARPABET_OF.items() for phone in phones.split()}
IPA = {phone: viseme for viseme, phones in IPA_OF.items() for phone in phones.split()}


def visemes_of(phones: Iterable[str]) -> tuple[str, ...]:
    """The class of each ARPAbet phoneme; anything else, such as a word mark, is unchanged."""
    return tuple(ARPABET.get(phone, phone) for phone in phones)
