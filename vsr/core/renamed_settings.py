"""Earlier names of settings, options and verbs: they work for one more version, and the new name is printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any


def with_new_names(kind: type, values: Mapping[str, Any], prefix: str = "", say: bool = True) -> dict[str, Any]:
    """``values`` with earlier names replaced, which are in the metadata ("earlier") of the fields of ``kind``.

    Args:
        kind: a dataclass of settings.
        prefix: of the settings in messages, such as "data.".
        say: print each replacement on stderr; leave out for stored settings, which the user cannot change.
    """
    renamed = {setting.metadata["earlier"]: setting.name for setting in fields(kind) if "earlier" in setting.metadata}
    settings = {}
    for key, value in values.items():
        if key in renamed and renamed[key] not in values:
            if say:
                _print(f"setting {prefix}{key}", f"{prefix}{renamed[key]}")
            key = renamed[key]
        settings[key] = value
    return settings


def add_earlier_option(parser: argparse.ArgumentParser, earlier: str, option: str) -> None:
    """Add ``earlier`` as a hidden name of ``option``, which was declared before."""
    action = next(candidate for candidate in parser._actions if option in candidate.option_strings)
    parser.add_argument(
        earlier, action=_Earlier, dest=action.dest, nargs=action.nargs, default=argparse.SUPPRESS,
        help=argparse.SUPPRESS, new_action=action,
    )  # fmt: skip


class _Earlier(argparse.Action):
    """Prints the new name and calls the action of the new option."""

    def __init__(self, option_strings: Sequence[str], dest: str, new_action: argparse.Action, **settings: Any):
        super().__init__(option_strings, dest, **settings)
        self.new_action, self.type, self.choices = new_action, new_action.type, new_action.choices

    def __call__(self, parser, namespace, values, option_string=None):
        _print(f"option {option_string}", self.new_action.option_strings[-1])
        self.new_action(parser, namespace, values, self.new_action.option_strings[-1])


def _print(earlier: str, new: str) -> None:
    print(f"{earlier} is now {new}; the earlier name goes with the next version", file=sys.stderr)
