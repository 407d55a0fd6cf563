"""Settings, options and verbs by their earlier names: they work for one more version, and the new name is printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any


def with_new_names(kind: type, given: Mapping[str, Any], prefix: str = "", say: bool = True) -> dict[str, Any]:
    """``given`` with earlier names replaced: those in the metadata ("earlier") of the fields of ``kind``.

    Args:
        kind: a dataclass of settings.
        prefix: of the settings, as they are printed ("data.").
        say: print each replacement on the error stream; what a program stored, no user can mend.
    """
    renamed = {own.metadata["earlier"]: own.name for own in fields(kind) if "earlier" in own.metadata}
    found = {}
    for key, value in given.items():
        if key in renamed and renamed[key] not in given:
            if say:
                _print(f"setting {prefix}{key}", f"{prefix}{renamed[key]}")
            key = renamed[key]
        found[key] = value
    return found


def add_earlier_option(parser: argparse.ArgumentParser, earlier: str, option: str) -> None:
    """``earlier`` does what ``option``, declared before, does; it is in no help."""
    action = next(own for own in parser._actions if option in own.option_strings)
    parser.add_argument(
        earlier, action=_Earlier, dest=action.dest, nargs=action.nargs, default=argparse.SUPPRESS,
        help=argparse.SUPPRESS, now=action,
    )  # fmt: skip


class _Earlier(argparse.Action):
    """Prints the new name and hands over to its action."""

    def __init__(self, option_strings: Sequence[str], dest: str, now: argparse.Action, **settings: Any):
        super().__init__(option_strings, dest, **settings)
        self.now, self.type, self.choices = now, now.type, now.choices

    def __call__(self, parser, namespace, values, option_string=None):
        _print(f"option {option_string}", self.now.option_strings[-1])
        self.now(parser, namespace, values, self.now.option_strings[-1])


def _print(earlier: str, new: str) -> None:
    print(f"{earlier} is now {new}; the earlier name goes with the next version", file=sys.stderr)
