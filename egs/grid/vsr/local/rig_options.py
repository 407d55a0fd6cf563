"""Options shared by the rigs on stored states, each with one help text."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from vsr.core.errors import VsrError

HELP = {
    "model": ("NAME", "model whose lower layers are frozen"),
    "keep": ("N", "number of its frozen layers"),
    "hearing": ("NAME", "model whose lower layers read the sound"),
    "objective": ("YAML", "objective of the training"),
    "states": ("DIR", "folder for stored states"),
    "features": ("DIR", "folder for stored features"),
    "frames": ("N", "frames in a batch"),
    "batch": ("N", "clips in a step"),
    "lr": ("X", "highest learning rate"),
    "steps": ("N", "optimiser steps"),
    "checks": ("N", "how often dev is read"),
    "seed": ("N", "seed of the random weights and of the order of clips"),
}


def rig_parser(doc: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """A parser with options from `HELP`; the defaults determine the types."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        metavar, description = HELP[name]
        help_text = f"{description} (default: %(default)s)"
        parser.add_argument(f"--{name}", type=type(value), default=value, metavar=metavar, help=help_text)
    return parser


def full_batches(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """The batches of an epoch, all of ``size`` clips: the last ones are left out. Raises VsrError if none is full."""
    if len(order) < size:
        raise VsrError(
            "bad_config", f"there are {len(order)} clips, fewer than a batch: give --batch {len(order)} or less"
        )
    for first in range(0, len(order) - size + 1, size):
        yield order[first : first + size]
