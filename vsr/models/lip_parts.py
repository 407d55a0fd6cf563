"""Settings of front ends that contain the front end and encoder of a lip reader: ``video`` and ``encoder``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import nn

from vsr.data.modalities import VIDEO
from vsr.models.registry import ENCODERS, FRONTENDS, reads_of, settings_of, split_kind

PARTS = {"video": FRONTENDS, "encoder": ENCODERS}


class LipParts:
    """Settings with ``video`` and ``encoder``, each {kind: ..., settings}, and their width ``dim``."""

    video: Any
    encoder: Any
    dim: int

    def complete_parts(self) -> None:
        """Fill in missing settings with defaults. Raises ValueError, also if the front end does not read video."""
        for name, registry in PARTS.items():
            kind, settings = split_kind(getattr(self, name), f"frontend.{name}")
            object.__setattr__(self, name, {"kind": kind, **asdict(settings_of(registry, kind, settings))})
        if reads_of(self._part("video")) != VIDEO:
            raise ValueError(f"frontend.video is {self.video['kind']}, which does not read video")

    def built_parts(self) -> tuple[nn.Module, nn.Module]:
        """The modules of front end and encoder."""
        return self._part("video").build(self.dim), self._part("encoder").build(self.dim)

    def _part(self, name: str) -> Any:
        return settings_of(PARTS[name], *split_kind(getattr(self, name), f"frontend.{name}"))
