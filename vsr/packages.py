"""Optional packages: imported where they are needed, and named in one line where they are not there."""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType

from vsr.errors import VsrError, one_line

# Libraries of the system that wheels count on, and Debian's packages that hold them.
DEBIAN = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0", "libEGL.so.1": "libegl1"}


def needed(name: str, purpose: str, install: str = "") -> ModuleType:
    """The module ``name``. Raises VsrError missing_package: ``purpose`` needs it, and how to ``install`` it."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        absent = getattr(error, "name", None) == name.split(".")[0]
        why = "" if absent else f" ({one_line(error)})"  # it is installed, and something that it needs is not
        remedy = _system_package(error) or install or f"pip install {name}"
        raise VsrError("missing_package", f"{purpose} needs the package {name}{why}: {remedy}") from error


def _system_package(error: BaseException) -> str:
    """How to install the system's library that an import did not find; "" where it is not that."""
    library = re.match(r"(\S+\.so[.\d]*): cannot open shared object", str(error))
    if not library:
        return ""
    package = DEBIAN.get(library[1])
    return f"apt-get install {package}, or the like" if package else f"install the system's package with {library[1]}"
