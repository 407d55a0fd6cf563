"""The options that rigs on stored states share, each worded once."""

import argparse
from typing import Any

TOLD = {
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
    """A parser with options of `TOLD` and their defaults, which say the type."""
    own = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        metavar, what = TOLD[name]
        told = f"{what} (default: %(default)s)"
        own.add_argument(f"--{name}", type=type(value), default=value, metavar=metavar, help=told)
    return own
