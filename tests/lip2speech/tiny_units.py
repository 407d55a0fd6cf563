"""A tiny translator of units, a tiny text-to-units model, and parallel clips."""

import torch

from lip2speech.features.phones import phones_in
from lip2speech.models.text_units import TextUnits, TextUnitsConfig
from lip2speech.models.translator import TranslatorConfig, UnitTranslator
from tests.lip2speech.tiny import UNITS
from vsr.data.manifest import Clip

LANGUAGES = ("en", "es", "de")
TRANSLATOR = {
    "languages": LANGUAGES, "units": UNITS, "dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1
}  # fmt: skip
TEXT = "the red bull sleeps"
PHONES = tuple(sorted({*phones_in(TEXT, "en"), *phones_in("el toro", "es")}))
TEXT_UNITS = {
    "languages": ("en", "es"), "units": UNITS, "dim": 16, "heads": 2, "hidden": 32, "kernel": 5, "layers": 1,
    "decoder_layers": 1, "phones": PHONES, "scripts": ("LATIN",),
}  # fmt: skip


def tiny_translator(**settings):
    """A translator with random weights, without dropout."""
    torch.manual_seed(3)
    return UnitTranslator(TranslatorConfig(**TRANSLATOR | {"dropout": 0.0} | settings)).eval()


def tiny_text_units(**settings):
    """A text-to-units model with random weights, without dropout."""
    torch.manual_seed(3)
    return TextUnits(TextUnitsConfig(**TEXT_UNITS | {"dropout": 0.0} | settings)).eval()


def parallel_clips():
    """A clip that says the same in each language."""
    texts = {"en": "the dog", "es": "el perro", "de": "der hund"}
    clips = []
    for language, text in texts.items():
        others = {code: translation for code, translation in texts.items() if code != language}
        clips.append(Clip(f"{language}_1", f"{language}.wav", text, "s", 8, language=language, translations=others))
    return clips
