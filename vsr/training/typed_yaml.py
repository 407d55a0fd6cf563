"""Values from YAML -> instances of frozen dataclasses, with every key and type checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from vsr.core.errors import VsrError
from vsr.core.numbers import is_number
from vsr.core.renamed_settings import with_new_names
from vsr.models.registry import split_kind

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def unknown_key(path: str, key: str, known_keys: Iterable[str]) -> VsrError:
    """The error for an unknown key, naming the nearest known ones."""
    near = difflib.get_close_matches(key, sorted(known_keys), n=3) or sorted(known_keys)
    return VsrError("bad_config", f"unknown setting '{path}'; did you mean {', '.join(near)}?")


def build(cls: type, value: Any, path: str = "") -> Any:
    """``value`` as read from YAML -> an instance of ``cls``. Raises VsrError bad_config naming the setting."""
    if is_dataclass(cls):
        return _build_dataclass(cls, value, path)
    if get_origin(cls) is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise VsrError("bad_config", f"{path}: expected a list, got {value!r}")
        return tuple(build(get_args(cls)[0], item, path) for item in items)
    expected = get_origin(cls) or cls
    if expected is float and not isinstance(value, bool):
        value = _as_float(value)
        if isinstance(value, float) and not is_number(value):
            raise VsrError("bad_config", f"{path}: expected a finite number, got {value}")
    if not isinstance(value, expected) or isinstance(value, bool) is not (expected is bool):
        raise VsrError("bad_config", f"{path}: expected {expected.__name__}, got {value!r}")
    return value


def _as_float(value: Any) -> Any:
    """A float from an integer, or from text such as 5e-4, which YAML 1.1 does not read as a number."""
    if isinstance(value, int) or isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value)
    return value


def _build_dataclass(cls: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise VsrError("bad_config", f"{path or 'the configuration'}: expected settings, got {value!r}")
    hints = get_type_hints(cls)
    prefix = f"{path}." if path else ""
    value = with_kinds(with_new_names(cls, value, prefix), hints, prefix)
    for key in value:
        if key not in hints:
            raise unknown_key(f"{prefix}{key}", str(key), hints)
    needed = (
        setting.name for setting in fields(cls) if setting.default is MISSING and setting.default_factory is MISSING
    )
    if absent := [name for name in needed if name not in value]:
        raise VsrError("bad_config", f"{path or 'the configuration'} lacks '{prefix}{absent[0]}'")
    try:
        return cls(**{key: build(hints[key], item, f"{prefix}{key}") for key, item in value.items()})
    except TypeError as error:
        raise VsrError("bad_config", f"{path or 'the configuration'}: {error}") from error


def with_kinds(value: dict[str, Any], known_names: Container[str], prefix: str) -> dict[str, Any]:
    """Split ``NAME: {kind: ..., settings}`` into NAME and NAME_settings, if a dataclass has both. Raises VsrError."""
    result = dict(value)
    for name, setting in value.items():
        if isinstance(setting, dict) and f"{name}_settings" in known_names:
            try:
                result[name], result[f"{name}_settings"] = split_kind(setting, f"{prefix}{name}")
            except ValueError as error:
                raise VsrError("bad_config", str(error)) from error
    return result
