"""What front ends that hold the front end and encoder of a lip reader share: settings ``video`` and ``encoder``."""

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
        """Fill in the settings that were not given. Raises ValueError, for a front end without video, too."""
        for name, registry in PARTS.items():
            kind, given = split_kind(getattr(self, name), f"frontend.{name}")
            object.__setattr__(self, name, {"kind": kind, **asdict(settings_of(registry, kind, given))})
        if reads_of(self._part("video")) != VIDEO:
            raise ValueError(f"frontend.video is {self.video['kind']}, which does not read video")

    def built_parts(self) -> tuple[nn.Module, nn.Module]:
        """Front end and encoder."""
        return self._part("video").build(self.dim), self._part("encoder").build(self.dim)

    def _part(self, name: str) -> Any:
        return settings_of(PARTS[name], *split_kind(getattr(self, name), f"frontend.{name}"))
