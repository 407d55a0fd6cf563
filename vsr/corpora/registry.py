"""Registry of corpora that plug-ins add to `vsr prepare`; see `docs/extending.md`.

A kind is a function (corpus, out, seed) -> {list name: number of clips} that writes one manifest per list.
"""

from __future__ import annotations

from collections.abc import Callable

from vsr.core.registry import Registry

CORPORA: Registry[Callable[[str, str, int], dict[str, int]]] = Registry("corpus", "vsr.corpora")
