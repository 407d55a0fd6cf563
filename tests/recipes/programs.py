"""The commands `vsr` and `lip2speech` of this tree, as recipes call them: a process each, as users have it."""

from __future__ import annotations

import sys
from pathlib import Path

TOP = Path(__file__).parents[2]
COMMAND = """#!/bin/sh
export PYTHONPATH={top} OMP_NUM_THREADS=1
exec {python} -m {package}.cli "$@"
"""


class Programs:
    """``put`` writes the commands into a folder."""

    def put(self, folder: Path) -> None:
        """Executables `vsr` and `lip2speech`."""
        folder.mkdir(parents=True, exist_ok=True)
        for package in ("vsr", "lip2speech"):
            text = COMMAND.format(top=TOP, python=sys.executable, package=package)
            (folder / package).write_text(text, encoding="utf-8")
            (folder / package).chmod(0o755)


def programs() -> Programs:
    """Those of this tree."""
    return Programs()
