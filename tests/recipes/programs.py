"""The commands `vsr` and `lip2speech` of this tree, as recipes call them: a process each.

Where the system can, they are forks of a process that has imported everything (`warm.py`); else, or with
``VSR_TESTS_COLD=1``, they begin as users' do.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from tests.recipes.warm import start_server

TOP = Path(__file__).parents[2]
COMMAND = """#!/bin/sh
export PYTHONPATH={top} OMP_NUM_THREADS=1
exec {python} {how} "$@"
"""


class Programs:
    """``put`` writes the commands into a folder."""

    def put(self, folder: Path) -> None:
        """Executables `vsr` and `lip2speech`."""
        folder.mkdir(parents=True, exist_ok=True)
        for package in ("vsr", "lip2speech"):
            text = COMMAND.format(top=TOP, python=sys.executable, how=how_to_begin(package))
            (folder / package).write_text(text, encoding="utf-8")
            (folder / package).chmod(0o755)


def how_to_begin(package: str) -> str:
    """Arguments of Python."""
    if os.environ.get("VSR_TESTS_COLD") or not hasattr(os, "pidfd_open"):
        return f"-m {package}.cli"
    return f"-I -S {TOP / 'tests/recipes/warm_client.py'} {server()} {package}"


@cache
def server() -> str:
    """The name of this run's server."""
    return start_server()


def programs() -> Programs:
    """Those of this tree."""
    return Programs()
