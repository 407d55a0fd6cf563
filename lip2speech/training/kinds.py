"""What `lip2speech train` trains, by what stands in the YAML: an acoustic model, a token model, or
what says text by units."""

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

GENERATOR = "generator"  # of the model: what a token model has, and an acoustic model has not


@dataclass(frozen=True)
class Kind:
    """Of a training: its run, its configuration, and what a dry run prints."""

    run: Callable
    config: type
    lines: Callable


VOICE, TOKENS = Kind(VoiceRun, VoiceTrainConfig, voice_lines), Kind(TokenRun, TokenTrainConfig, token_lines)
SAID = Kind(TextRun, TextTrainConfig, text_lines)


def kind_of(path: str) -> Kind:
    """By the YAML of a training. Raises VsrError bad_config where it cannot be read."""
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
