"""Names of files that stand for something else in a shell are refused, in one place: the empty one and ``-``."""

from __future__ import annotations

import argparse

from vsr.core.errors import WRONG_USAGE, VsrError

OUTPUTS = ("out", "words", "burn", "json", "report", "tsv", "speak", "save_weights")
INPUTS = ("manifest", "video", "videos", "inputs", "files", "source", "real")
NO_STREAM = "- is not standard output here: give the name of a file or folder to write (./- for one of that name)"


def check_names(args: argparse.Namespace, streams: bool = False) -> None:
    """Refuse an empty name, such as that of a variable that is not set, which would be the current folder, and, unless
    the verb ``streams``, an output ``-``, which would be a file of that name. Raises VsrError bad_options."""
    for name in OUTPUTS + INPUTS:
        value = getattr(args, name, None)
        if "" in (value if isinstance(value, list) else [value]):
            option = f"--{name.replace('_', '-')}" if name in (*OUTPUTS, "manifest") else "the name of a file"
            raise VsrError(WRONG_USAGE, f"{option} is empty: give a name, or leave it out")
    if not streams and any(getattr(args, name, None) == "-" for name in OUTPUTS):
        raise VsrError(WRONG_USAGE, NO_STREAM)
