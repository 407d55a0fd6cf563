"""Converts frozen dataclasses to plain JSON and back, checking the type of every field.

Tuples become lists, bytes base64; a class among ``rows`` becomes a list of its fields' values instead of an object.
"""

from __future__ import annotations

import base64
import types
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
NAMES = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", bytes: "base64", tuple: "a list",
    dict: "an object",
}  # fmt: skip


def to_plain(value: Any, rows: tuple[type, ...] = ()) -> Any:
    """The value as ``json.dumps`` accepts it."""
    kind: type = type(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        return [to_plain(item, rows) for item in value]
    if isinstance(value, rows):
        return [to_plain(getattr(value, name), rows) for name in _fields(kind)]
    if is_dataclass(value):
        return {name: to_plain(getattr(value, name), rows) for name in _fields(kind)}
    return value


def from_plain(kind: type[T], value: Any, rows: tuple[type, ...] = (), path: str = "") -> T:
    """The inverse of `to_plain` for a ``kind``. Raises ValueError that says where the value does not fit."""
    result: Any
    if isinstance(kind, types.UnionType):
        (only,) = (option for option in get_args(kind) if option is not type(None))
        result = None if value is None else from_plain(only, value, rows, path)
    elif get_origin(kind) is tuple:
        result = _tuple(get_args(kind), value, rows, path)
    elif get_origin(kind) is dict:  # settings of another package, which checks them itself
        result = _plain(dict, value, path)
    elif is_dataclass(kind):
        result = _record(kind, value, rows, path)
    else:
        result = _plain(kind, value, path)
    return result


def _record(kind: type, value: Any, rows: tuple[type, ...], path: str) -> Any:
    expected = _fields(kind)
    if kind in rows:
        record = dict(zip(expected, _list(value, len(expected), path), strict=True))
    elif isinstance(value, dict):
        record = value
    else:
        raise ValueError(f"{path or 'the record'}: expected an object, got {value!r:.40}")
    if wrong := [name for name in record if name not in expected] or [
        n for n in expected if expected[n][1] and n not in record
    ]:
        raise ValueError(f"{_at(path, wrong[0])}: {'missing' if wrong[0] in expected else 'unknown'}")
    return kind(**{name: from_plain(expected[name][0], item, rows, _at(path, name)) for name, item in record.items()})


def _tuple(kinds: Sequence[Any], value: Any, rows: tuple[type, ...], path: str) -> tuple:
    if kinds[-1] is ...:
        kinds = [kinds[0]] * len(_list(value, None, path))
    items = zip(kinds, _list(value, len(kinds), path), strict=True)
    return tuple(from_plain(kind, item, rows, _at(path, str(place))) for place, (kind, item) in enumerate(items))


def _list(value: Any, count: int | None, path: str) -> list:
    if not isinstance(value, list) or count not in (None, len(value)):
        raise ValueError(f"{path}: expected a list{'' if count is None else f' of {count}'}, got {value!r:.40}")
    return value


def _plain(kind: type, value: Any, path: str) -> Any:
    try:
        if kind is bytes:
            return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        value = ...
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool) is not (kind is bool):
        raise ValueError(f"{path}: expected {NAMES[kind]}, got {value!r:.40}")
    return value


@lru_cache
def _fields(kind: type) -> dict[str, tuple[type, bool]]:
    """Field name -> type, and whether it is required."""
    hints = get_type_hints(kind)
    is_required = {item.name: item.default is MISSING and item.default_factory is MISSING for item in fields(kind)}
    return {name: (hints[name], is_required[name]) for name in is_required}


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
