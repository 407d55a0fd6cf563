"""Chooses what `lip2speech train` trains from the YAML: an acoustic model, a token model, or a text-to-unit model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lip2speech.models.text_units import TEXT
from lip2speech.models.translators import KIND
from lip2speech.training.acoustic import VoiceRun, VoiceTrainConfig
from lip2speech.training.dry_run import token_lines, voice_lines
from lip2speech.training.text_units import TextRun, TextTrainConfig, text_lines
from lip2speech.training.tokens import TokenRun, TokenTrainConfig
from vsr.core.errors import VsrError, one_line

GENERATOR = "generator"  # key of `model` that only a token model has


@dataclass(frozen=True)
class Kind:
    """A kind of training: its run, its configuration, and the lines of its dry run."""

    run: Callable
    config: type
    lines: Callable


VOICE, TOKENS = Kind(VoiceRun, VoiceTrainConfig, voice_lines), Kind(TokenRun, TokenTrainConfig, token_lines)
SAID = Kind(TextRun, TextTrainConfig, text_lines)


def kind_of(path: str) -> Kind:
    """The kind of a training, by its YAML. Raises VsrError bad_config where it cannot be read."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            settings = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise VsrError("bad_config", f"cannot read {path}: {one_line(error)}") from error
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, dict):
        return VOICE
    return SAID if model.get(KIND) == TEXT else TOKENS if GENERATOR in model else VOICE
