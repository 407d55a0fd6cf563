"""The ``model`` section of a configuration -> the model's own frozen dataclass, and the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

from vsr.core.errors import VsrError, one_line
from vsr.core.renamed_settings import with_new_names
from vsr.models.registry import HEADS
from vsr.training.typed_yaml import build, unknown_key, with_kinds


def filled_heads(model: dict[str, Any]) -> dict[str, Any]:
    """A model's settings, completed by what its heads read from files (`vsr.models.heads.HeadSettings.filled`)."""
    heads = model.get("further_heads")
    if not isinstance(heads, dict):
        return model
    return model | {"further_heads": {name: _filled(settings) for name, settings in heads.items()}}


def _filled(settings: Any) -> Any:
    kind = settings.get("kind") if isinstance(settings, dict) else None
    fill = getattr(HEADS[kind], "filled", dict) if isinstance(kind, str) and kind in HEADS else None
    return settings if fill is None else fill(settings)


def model_settings(kind: type, values: dict[str, Any], **filled: Any) -> Any:
    """A ``kind`` from the settings ``values`` in YAML and those ``filled`` in from the data. Raises VsrError."""
    names = {setting.name for setting in fields(kind)} - filled.keys()
    values = with_kinds(with_new_names(kind, values, "model."), names, "model.")
    for key in values:
        if key not in names:
            raise unknown_key(f"model.{key}", key, names)
    hints = get_type_hints(kind)
    try:
        return kind(**{key: build(hints[key], value, f"model.{key}") for key, value in values.items()}, **filled)
    except (TypeError, ValueError) as error:
        raise VsrError("bad_config", f"model: {one_line(error)}") from error


def built(kind: Callable[[Any], Any], config: Any) -> Any:
    """The model of a config. Raises VsrError bad_config for an invalid config, or a model larger than the memory."""
    try:
        return kind(config)
    except (TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError, MemoryError) as error:
        raise VsrError("bad_config", f"model: {one_line(error)}") from error
