"""The options that rigs on stored states share, each worded once."""

import argparse
from typing import Any

TOLD = {
    "model": ("NAME", "whose lower layers are kept"),
    "keep": ("N", "of its layers"),
    "hearing": ("NAME", "whose lower layers hear"),
    "objective": ("YAML", "that is learnt by"),
    "states": ("DIR", "where states are stored"),
    "features": ("DIR", "where features are stored"),
    "frames": ("N", "of a batch"),
    "batch": ("N", "clips of a step"),
    "lr": ("X", "the highest learning rate"),
    "steps": ("N", "of the optimiser"),
    "checks": ("N", "times that dev is read"),
    "seed": ("N", "of the weights that begin at random, and of the order of clips"),
}


def rig_parser(doc: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """A parser with options of `TOLD` and their defaults, which say the type."""
    own = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        metavar, what = TOLD[name]
        told = f"{what} (default: %(default)s)"
        own.add_argument(f"--{name}", type=type(value), default=value, metavar=metavar, help=told)
    return own
