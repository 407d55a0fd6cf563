"""Optional packages: imported where they are needed, and named in one line where they are not there."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from vsr.errors import VsrError, one_line


def needed(name: str, purpose: str, install: str = "") -> ModuleType:
    """The module ``name``. Raises VsrError missing_package: ``purpose`` needs it, and how to ``install`` it."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        there = getattr(error, "name", None) != name.split(".")[0]  # it is installed and something that it needs is not
        why = f" ({one_line(error)})" if there else ""
        remedy = install or f"pip install {name}"
        raise VsrError("missing_package", f"{purpose} needs the package {name}{why}: {remedy}") from error
