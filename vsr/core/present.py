"""What may be missing, where it is not."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None, what: str) -> T:
    """``value``, where what was checked before says that it is there. Raises LookupError naming ``what`` it is."""
    if value is None:
        raise LookupError(f"{what} is missing")
    return value
