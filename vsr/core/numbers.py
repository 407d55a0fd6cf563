"""Checks of numbers in options and settings: what a number is, and its allowed range. NaN and infinity are none.

`x < 0` is false for NaN, so a check for what is forbidden would let it pass; here every check asks whether a number is
inside its range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

from vsr.core.errors import WRONG_USAGE, VsrError


@dataclass(frozen=True)
class Range:
    """The finite numbers from ``least`` to ``most``, inclusive, or between ``above`` and ``below``, exclusive."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: Any) -> bool:
        return (
            is_number(value)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        named = (("not below", self.least), ("above", self.above), ("not above", self.most), ("below", self.below))
        bounds = [f"{name} {bound}" for name, bound in named if bound is not None]
        return " ".join(["a finite number", " and ".join(bounds)]).strip()


ANY = Range()
NOT_NEGATIVE, POSITIVE, SHARE = Range(least=0), Range(above=0), Range(least=0, most=1)
COUNT = Range(least=1)
SEED = Range(least=0, most=2**63 - 1)  # accepted by PyTorch, NumPy and Python


def is_number(value: Any) -> bool:
    """Whether a value is a finite real number, NumPy's included; a bool is not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return isinstance(value, Integral) or math.isfinite(value)


def check_whole(name: str, value: Any, allowed: Range = ANY, reason: str = "") -> None:
    """`check_number` of one that must be whole, such as a count."""
    if is_number(value) and not isinstance(value, Integral):
        raise VsrError(reason or "bad_config", f"{name} is {value}: it must be a whole number")
    check_number(name, value, allowed, reason)


def make_plain(options: Any) -> None:
    """NumPy's numbers in a dataclass become Python's, which JSON can hold and searches take, and paths their text."""
    for name, value in vars(options).items():
        if isinstance(value, Real) and hasattr(value, "item"):
            object.__setattr__(options, name, value.item())
        elif isinstance(value, PurePath):
            object.__setattr__(options, name, str(value))


def check_number(name: str, value: Any, allowed: Range = ANY, reason: str = "") -> None:
    """Raise VsrError naming the option, its value and its range, if the value is outside.

    ``reason``: by default bad_options for an option, ``--NAME``, else bad_config.
    """
    if value not in allowed:
        reason = reason or (WRONG_USAGE if name.startswith("--") else "bad_config")
        shown = repr(value) if isinstance(value, str) else value
        raise VsrError(reason, f"{name} is {shown}: it must be {allowed}")


def check_numbers(options: Any, prefix: str = "", reason: str = "bad_config", **allowed: Range) -> None:
    """Check the numbers of a dataclass: fields in ``allowed`` (field -> range), and that all others are finite.

    ``prefix`` precedes the fields' names in the message, as in ``optim.``. Raises VsrError (``reason``).
    """
    for name, value in vars(options).items():
        if name in allowed or isinstance(value, int | float) and not isinstance(value, bool):
            check_number(f"{prefix}{name}", value, allowed.get(name, ANY), reason)
