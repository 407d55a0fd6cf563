"""Registry of named conditions of the flow; see `docs/extending.md`.

A kind is a frozen dataclass of plain numbers with

- ``width``: C;
- ``per_frame``: whether there is a vector for each step of 50 Hz, or one for the clip;
- ``drop``: share of training clips without it;

one of the methods that give its value in training

- ``load(clip, steps)``: numpy array (steps, C), or (C,) for the clip, from the clip's entry in the manifest;
- ``heard(features)``: a measurement of the clip's audio (`lip2speech.features.stored.Features`); it is measured once
  and cached;
- ``corrupted(features, clip_id, clips, sound_of, rng)``: computed from the audio of the clip ``clip_id``, drawn again
  in each epoch; ``clips``: ids of the list, whose waves ``sound_of`` returns;

and optionally (read by `lip2speech.conditions.traits`)

- ``places``: the networks that use it, by default ``("flow",)``, or ``("content", "flow")``;
- ``build(dim)``: a module (value, keep (B,), query (B, N, W)) -> (B, N, W) instead of a projection
  (`lip2speech.conditions.conditioning.ConditionProjection`); value is None where it is missing, and zero on padding;
- ``sequence``: True for a length of its own: ``load`` returns (U, C), U at least 1;
- ``recorded``: True where it is computed from a recording: in synthesis ``of_wave(wave)`` returns (N, C);
- ``around``: True where it is computed from the audio around a gap: ``of_wave(wave, is_known)``, steps outside it;
- ``felt``: True where it is an emotion, which is named in synthesis: ``named(name, steps)`` returns (N, C);
- ``spoken``: True where it is computed from the text: in synthesis, ``load`` gets a clip with the words that are then
  known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from vsr.core.registry import Registry
from vsr.models.registry import settings_of, split_kind


class Condition(Protocol):
    """Settings of a condition."""

    @property
    def width(self) -> int: ...

    @property
    def per_frame(self) -> bool: ...

    @property
    def drop(self) -> float: ...


FLOW, CONTENT = "flow", "content"
CONDITIONS: Registry[type[Condition]] = Registry(
    "condition", "lip2speech.conditions", "lip2speech.conditions.condition_kinds"
)


def conditions_of(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Condition]:
    """The conditions of a model's config, by name. Raises ValueError for unknown kinds or settings."""
    named = {name: split_kind(settings, f"conditions.{name}") for name, settings in config.items()}
    return {name: settings_of(CONDITIONS, kind, settings) for name, (kind, settings) in named.items()}
