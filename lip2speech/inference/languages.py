"""The languages of a voice's translator, read from its config; no model is loaded."""

from __future__ import annotations

import re
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config

TRANSLATOR = "translator"  # its folder in that of a voice


def languages_of(folder: Path) -> list[str]:
    """The languages of a voice's translator. Raises VsrError no_translator, bad_model."""
    translator = folder / TRANSLATOR
    if not (translator / CONFIG_FILE).is_file():
        problem = "has no translator: lip2speech translator trains one; give a voice that has it as --model"
        raise VsrError("no_translator", f"{folder} {problem}")
    model = read_config(translator).get("model")
    languages = model.get("languages") if isinstance(model, dict) else None
    if not isinstance(languages, list) or not languages:
        raise VsrError("bad_model", f"{translator} names no languages")
    return [str(language) for language in languages]


def check_language(folder: Path, language: str) -> None:
    """Refuse a language that the translator does not know. Raises VsrError bad_options, with the known ones."""
    if language not in (languages := languages_of(folder)):
        raise VsrError("bad_options", f"--to {language}: {folder} speaks {', '.join(languages)}")


def check_code(language: str) -> None:
    """Refuse text that is not formed like a language code, for any translator. Raises VsrError bad_options."""
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", language):
        raise VsrError("bad_options", f"--to {language}: give the code of a language, such as es or de")
