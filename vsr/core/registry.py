"""Registries of components by name: those of the package, and those that plug-ins add.

A plug-in adds a kind with a decorator (``@FRONTENDS.register("mine")``) in a module that is named by the entry points
of the registry's group, or by the environment variable VSR_PLUGINS (modules, separated by commas).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from vsr.core.errors import VsrError, one_line

PLUGINS = "VSR_PLUGINS"
Kind = TypeVar("Kind")


class Registry(Generic[Kind]):
    """Args: what: the part, for messages; group: of entry points; builtin: module that registers the package's own."""

    def __init__(self, what: str, group: str, builtin: str = ""):
        self.what, self.group, self._builtin = what, group, builtin
        self._kinds: dict[str, Kind] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[Kind], Kind]:
        """A decorator that adds a kind. Raises ValueError for a name that is taken by another kind."""

        def added(kind: Kind) -> Kind:
            registered = self._kinds.setdefault(name, kind)
            if registered is not kind and _path_of(registered) != _path_of(kind):
                raise ValueError(
                    f"two kinds of {self.what} are called {name!r}: {_path_of(registered)} and {_path_of(kind)}"
                )
            self._kinds[name] = kind
            return kind

        return added

    def __getitem__(self, name: str) -> Kind:
        """The kind of that name. Raises ValueError that lists similar names."""
        if name not in self._kinds:
            self._load()
        if name not in self._kinds:
            near = difflib.get_close_matches(name, self._kinds, n=3)
            plugin = "" if near else f", or of a plug-in that is installed or named in {PLUGINS}"
            raise ValueError(f"{self.what} is '{name}'; it can be {' or '.join(near or sorted(self._kinds))}{plugin}")
        return self._kinds[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._kinds:
            self._load()
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._kinds))

    def _load(self) -> None:
        """Import all modules that may register kinds, once. Raises VsrError (bad_plugin) if one fails."""
        if self._complete:
            return
        named = [name.strip() for name in os.environ.get(PLUGINS, "").split(",") if name.strip()]
        named += [entry.module for entry in entry_points(group=self.group)]
        for name in [self._builtin, *named] if self._builtin else named:
            try:
                import_module(name)
            except Exception as error:  # a plugin may raise anything
                raise VsrError("bad_plugin", f"the plugin {name} cannot be imported: {one_line(error)}") from error
        self._complete = True


def _path_of(kind: object) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', type(kind).__name__)}"
