"""Narrows optional values that are known to be present."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def required(value: T | None, what: str) -> T:
    """``value``, known from an earlier check not to be None. Raises LookupError naming ``what`` is missing."""
    if value is None:
        raise LookupError(f"{what} is missing")
    return value
