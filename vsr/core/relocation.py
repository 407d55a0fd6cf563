"""Old names of modules that have moved: they import for one more version, and say the new name.

A table has lines `old.* = new.*: a b>c` (module a, and b which is now called c) and `old = new other`, for a module
whose contents went into several.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
else:  # to load that module would take most of the time of `import vsr`
    Loader = object

ROOT = Path(__file__).parents[2]  # where both packages are


def read_table(text: str) -> dict[str, list[str]]:
    """Old module -> new modules."""
    found: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        places, _, names = line.partition(":")
        old, new = (side.strip() for side in places.split("="))
        for name in names.split():
            before, _, after = name.partition(">")
            found[old.replace("*", before)] = [new.replace("*", after or before)]
        if not names:
            found[old] = new.split()
    return found


class Relocated(Loader):
    """Finds the modules of a table, and the packages that they were in."""

    def __init__(self, table: dict[str, list[str]]):
        self.table = table
        homes = {name.rpartition(".")[0] for name in table}
        self.packages = {name for name in homes if not (ROOT / name.replace(".", "/")).is_dir()}

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        """A spec for an old name, None for every other."""
        if name in self.table:
            return ModuleSpec(name, self)
        return ModuleSpec(name, self, is_package=True) if name in self.packages else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that is now in its place, itself: what is changed in it is changed for all."""
        new = self.table.get(spec.name)
        if new is None:
            return ModuleType(spec.name)
        warnings.warn(f"{spec.name} is now {' and '.join(new)}", DeprecationWarning, stacklevel=2)
        modules = [import_module(name) for name in new]
        return modules[0] if len(modules) == 1 else _Several(spec.name, modules)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to be done; a module that is known under its own name keeps its own spec."""
        name, spec = module.__name__, module.__spec__
        if sys.modules.get(name) is module and spec is not None and isinstance(spec.loader, Relocated):
            loader = module.__loader__  # in typeshed a wider kind than a spec may have
            module.__spec__ = ModuleSpec(name, loader, origin=getattr(module, "__file__", None))  # type: ignore[arg-type]


class _Several(ModuleType):
    """Stands for a module whose contents went into several."""

    def __init__(self, name: str, modules: list[ModuleType]):
        super().__init__(name)
        self._modules = modules

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def serve(table: str) -> None:
    """Old names of a table can be imported from now on."""
    sys.meta_path.insert(0, Relocated(read_table(table)))
