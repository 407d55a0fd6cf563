"""Corpora that others add to `vsr prepare`; see `docs/extending.md`.

A kind is a function (corpus, out, seed) -> {name of a list: how many clips it has} that writes one manifest a list.
"""

from __future__ import annotations

from collections.abc import Callable

from vsr.core.registry import Registry

CORPORA: Registry[Callable[[str, str, int], dict[str, int]]] = Registry("corpus", "vsr.corpora")
