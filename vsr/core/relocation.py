"""Old names of modules that have moved: they work for one more version, with a warning that names the new one.

A table has lines `old.* = new.*: a b>c` (module a, and b which is now called c) and `old = new other`, for a module
that was split.
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
else:  # importing that module would take most of the time of `import vsr`
    Loader = object

ROOT = Path(__file__).parents[2]  # where both packages are


def read_table(text: str) -> dict[str, list[str]]:
    """Old module -> new modules."""
    moves: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        places, _, names = line.partition(":")
        old, new = (side.strip() for side in places.split("="))
        for name in names.split():
            old_name, _, new_name = name.partition(">")
            moves[old.replace("*", old_name)] = [new.replace("*", new_name or old_name)]
        if not names:
            moves[old] = new.split()
    return moves


class Relocated(Loader):
    """Import hook for the old modules of a table, and for the packages that they were in."""

    def __init__(self, table: dict[str, list[str]]):
        self.table = table
        homes = {name.rpartition(".")[0] for name in table}
        self.packages = {name for name in homes if not (ROOT / name.replace(".", "/")).is_dir()}

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        """A spec for an old name, None for any other."""
        if name in self.table:
            return ModuleSpec(name, self)
        return ModuleSpec(name, self, is_package=True) if name in self.packages else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that has taken its place, the same object, so that changes in it are seen under both names."""
        new = self.table.get(spec.name)
        if new is None:
            return ModuleType(spec.name)
        warnings.warn(f"{spec.name} is now {' and '.join(new)}", DeprecationWarning, stacklevel=2)
        modules = [import_module(name) for name in new]
        return modules[0] if len(modules) == 1 else _Several(spec.name, modules)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing but restore the spec of a module that is also known under its new name."""
        name, spec = module.__name__, module.__spec__
        if sys.modules.get(name) is module and spec is not None and isinstance(spec.loader, Relocated):
            loader = module.__loader__  # typeshed gives it a wider type than a spec may have
            module.__spec__ = ModuleSpec(name, loader, origin=getattr(module, "__file__", None))  # type: ignore[arg-type]


class _Several(ModuleType):
    """Stands for a module that was split into several."""

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
    """Make the old names of a table importable from now on."""
    sys.meta_path.insert(0, Relocated(read_table(table)))
