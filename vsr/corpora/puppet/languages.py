"""Languages of the puppet: espeak's voices, and sentences of GRID's six slots, with letters written as their names.

A language is refused if espeak uses sounds without a mouth shape.
"""

from __future__ import annotations

from collections.abc import Iterable

from vsr.core.errors import VsrError
from vsr.corpora.puppet.visemes import unknown_sounds
from vsr.text.espeak import ipa_of

ENGLISH = "en"
VARIANTS = ("", "+f2", "+m3", "+f4", "+m7")  # of each voice

_SLOTS = {
    "es": (
        "pon deja coge mira",
        "azul verde rojo blanco",
        "en con por sobre",
        "be ce de efe ge hache jota ka ele eme ene pe cu erre ese te uve equis zeta",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "ahora luego hoy pronto",
    ),
    "fr": (
        "prends laisse pose mets",
        "bleu vert rouge blanc",
        "dans par sur sous",
        "bé cé dé effe gé hache ji ka elle emme enne pé ku erre esse té vé zède",
        "zéro un deux trois quatre cinq six sept huit neuf",
        "ici encore demain vite",
    ),
    "it": (
        "metti lascia prendi posa",
        "blu verde rosso bianco",
        "in con per su",
        "bi ci di effe gi acca elle emme enne pi cu erre esse ti vu zeta",
        "zero uno due tre quattro cinque sei sette otto nove",
        "ora ancora presto qui",
    ),
    "pt": (
        "põe deixa pega olha",
        "azul verde preto branco",
        "em com por sobre",
        "bê cê dê efe gê agá jota cá ele eme ene pê quê erre esse tê vê zê",
        "zero um dois três quatro cinco seis sete oito nove",
        "agora logo hoje já",
    ),
}  # fmt: skip
SLOTS = {name: tuple(tuple(slot.split()) for slot in slots) for name, slots in _SLOTS.items()}
LANGUAGES = (ENGLISH, *SLOTS)


def language_and_vocabulary(vocabulary: str) -> tuple[str, str]:
    """(language, its vocabulary): "fr" is GRID-like sentences in French, "fr:FILE" those of a text file."""
    language, _, file = vocabulary.partition(":")
    return (language, file or "grid") if language in SLOTS else (ENGLISH, vocabulary)


def voices_of(language: str) -> tuple[str, ...]:
    """espeak's voice names for a language other than English."""
    return tuple(language + variant for variant in VARIANTS)


def check_sayable(language: str, words: Iterable[str]) -> None:
    """Raise VsrError bad_corpus that lists sounds without a mouth shape, if words have any."""
    unknown: dict[str, str] = {}
    for word in dict.fromkeys(words):
        for sound in unknown_sounds(ipa_of(word, language)):
            unknown.setdefault(sound, word)
    if unknown:
        sounds = ", ".join(f"{sound} (in {word})" for sound, word in sorted(unknown.items()))
        raise VsrError("bad_corpus", f"the puppet has no mouth shape for sounds of {language}: {sounds}")
