"""Kinds of named conditions of the flow; see `docs/extending.md`.

A kind is a frozen dataclass of plain numbers with

- ``width``: C;
- ``per_frame``: whether there is a vector for each step of 50 Hz, or one for the clip;
- ``drop``: share of training clips to which it is not shown;
- ``load(clip, steps)``: numpy array (steps, C), or (C,) for the clip;

and, where the usual does not do (`lip2speech.conditions.traits` asks for it),

- ``places``: the networks that it goes into, ``("flow",)`` where not given, or ``("content", "flow")``;
- ``build(dim)``: a module (value, keep (B,), query (B, N, W)) -> (B, N, W) in the place of a projection
  (`lip2speech.conditions.added.Added`); value is None where it is not there, and zero on padding;
- ``sequence``: True for a length of its own: ``load`` gives (U, C), U at least 1;
- ``heard(features)``: what is measured in the sound of a clip (`lip2speech.features.stored.Features`), in the place of
  ``load``; it is measured once, and kept;
- ``corrupted(features, own, clips, sound_of, rng)``: what is made of the sound of clip ``own`` in the place of
  ``load``, drawn again in each epoch; ``clips``: ids of the list, whose waves ``sound_of`` gives;
- ``recorded``: True where it is made of the sound of a recording: ``of_wave(wave)`` gives (N, C) when speaking;
- ``around``: True where it is made of the sound around a gap: ``of_wave(wave, known)``, of the steps that are known;
- ``felt``: True where it is an emotion, which is named when speaking: ``named(name, steps)`` gives (N, C);
- ``spoken``: True where it is made of what is said: when speaking, ``load`` is given a clip of the words that are known
  then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from vsr.core.registry import Registry
from vsr.data.manifest import Clip
from vsr.models.registry import settings_of, split_kind


class Condition(Protocol):
    """Settings that load a condition of a clip."""

    @property
    def width(self) -> int: ...

    @property
    def per_frame(self) -> bool: ...

    @property
    def drop(self) -> float: ...

    def load(self, clip: Clip, steps: int) -> np.ndarray: ...


FLOW, CONTENT = "flow", "content"
CONDITIONS: Registry[type[Condition]] = Registry("condition", "lip2speech.conditions", "lip2speech.conditions.kinds")


def conditions_of(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Condition]:
    """The conditions of a model's config, by name. Raises ValueError for what is not known."""
    named = {name: split_kind(own, f"conditions.{name}") for name, own in given.items()}
    return {name: settings_of(CONDITIONS, kind, settings) for name, (kind, settings) in named.items()}
