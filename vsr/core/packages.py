"""Optional packages: imported where they are needed; one line names a missing one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from vsr.core.errors import VsrError, one_line

# System libraries that wheels need, and the Debian packages that contain them.
DEBIAN = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0", "libEGL.so.1": "libegl1"}


def required_package(name: str, purpose: str, install: str = "") -> ModuleType:
    """The module ``name``. Raises VsrError missing_package with its ``purpose`` and how to ``install`` it."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        is_absent = getattr(error, "name", None) == name.split(".")[0]
        cause = "" if is_absent else f" ({one_line(error)})"  # installed, but one of its own dependencies is missing
        remedy = _system_package(error) or install or f"pip install {name}"
        raise VsrError("missing_package", f"{purpose} needs the package {name}{cause}: {remedy}") from error


@contextmanager
def lazy_imports(*names: str) -> Iterator[None]:
    """Inside, `import` of the modules ``names`` costs nothing: each is loaded when something of it is first used.

    For modules that another package imports and this one does not use (plotting in MediaPipe: a second of every start).
    Name parents before their children.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Deferred(name)
        parent, _, child = name.rpartition(".")
        if parent in absent:
            vars(sys.modules[parent])[child] = sys.modules[name]
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


class _Deferred(ModuleType):
    """Stands for a module, which is loaded on the first attribute access."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def _system_package(error: BaseException) -> str:
    """How to install the system library that an import did not find; "" for any other error."""
    library = re.match(r"(\S+\.so[.\d]*): cannot open shared object", str(error))
    if not library:
        return ""
    package = DEBIAN.get(library[1])
    return f"apt-get install {package}, or the like" if package else f"install the system's package with {library[1]}"
