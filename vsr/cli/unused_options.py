"""Options that a call does not heed are refused, in one place: nobody is to believe that they did something."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from vsr.core.errors import WRONG_USAGE, VsrError


def refuse_unused(parser: argparse.ArgumentParser, args: argparse.Namespace, unused: Mapping[str, str]) -> None:
    """``unused``: destination of an option -> where it works. Raises VsrError bad_options for one with another value
    than its default."""
    for action in parser._actions:
        if action.default is argparse.SUPPRESS:  # an earlier name of another option
            continue
        if action.dest in unused and getattr(args, action.dest) != action.default:
            option = action.option_strings[-1] if action.option_strings else action.dest
            raise VsrError(WRONG_USAGE, f"{option} works only with {unused[action.dest]}: leave it out")
