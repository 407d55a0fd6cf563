"""The ``model`` section of a configuration -> the model's own frozen dataclass, and the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

from vsr.core.errors import VsrError, one_line
from vsr.core.renamed import with_new_names
from vsr.models.registry import HEADS
from vsr.training.typed import build, unknown_key, with_kinds


def filled_heads(model: dict[str, Any]) -> dict[str, Any]:
    """A model's settings with what its further heads read from files (`vsr.models.heads.HeadSettings.filled`)."""
    heads = model.get("further_heads")
    if not isinstance(heads, dict):
        return model
    return model | {"further_heads": {name: _filled(own) for name, own in heads.items()}}


def _filled(given: Any) -> Any:
    kind = given.get("kind") if isinstance(given, dict) else None
    fill = getattr(HEADS[kind], "filled", dict) if isinstance(kind, str) and kind in HEADS else None
    return given if fill is None else fill(given)


def model_settings(kind: type, given: dict[str, Any], **filled: Any) -> Any:
    """A model's numbers: those that YAML gives and those that only the data can give. Raises VsrError."""
    known = {f.name for f in fields(kind)} - filled.keys()
    given = with_kinds(with_new_names(kind, given, "model."), known, "model.")
    for key in given:
        if key not in known:
            raise unknown_key(f"model.{key}", key, known)
    hints = get_type_hints(kind)
    try:
        return kind(**{key: build(hints[key], value, f"model.{key}") for key, value in given.items()}, **filled)
    except (TypeError, ValueError) as error:
        raise VsrError("bad_config", f"model: {one_line(error)}") from error


def built(kind: Callable[[Any], Any], config: Any) -> Any:
    """A model of these numbers. Raises VsrError bad_config where they make none, or one larger than the memory."""
    try:
        return kind(config)
    except (TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError, MemoryError) as error:
        raise VsrError("bad_config", f"model: {one_line(error)}") from error
