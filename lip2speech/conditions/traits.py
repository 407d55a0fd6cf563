"""Optional properties of conditions, as `lip2speech.conditions.registry` lists them, with their defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np

from lip2speech.conditions.registry import FLOW, Condition
from vsr.data.manifest import Clip


class Loaded(Condition, Protocol):
    """A condition read from a clip's entry in the manifest -> (N, C) or (C,)."""

    def load(self, clip: Clip, steps: int) -> np.ndarray: ...


class Recorded(Condition, Protocol):
    """A condition computed from a recording, (640 T,) -> (N, C)."""

    def of_wave(self, wave: np.ndarray) -> np.ndarray: ...


class Around(Condition, Protocol):
    """A condition computed from the audio around a gap, (640 T,), and the mask of known steps (N,) -> (N, C)."""

    def of_wave(self, wave: np.ndarray, is_known: np.ndarray) -> np.ndarray: ...


class Felt(Condition, Protocol):
    """An emotion, which is named in synthesis -> (N, C)."""

    def named(self, name: str, steps: int) -> np.ndarray: ...


class Heard(Condition, Protocol):
    """A condition measured in a clip's audio, a `lip2speech.features.stored.Features` -> (N, C) or (C,)."""

    def heard(self, features: Any) -> np.ndarray: ...


class Corrupted(Condition, Protocol):
    """A condition computed from the corrupted audio of a clip, drawn again in each epoch -> (N, C)."""

    def corrupted(
        self, features: Any, clip_id: str, clips: Sequence[str], sound_of: Callable[[str], np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray: ...  # fmt: skip


def is_loaded(condition: Condition) -> TypeGuard[Loaded]:
    """Whether a condition is read from a clip's entry in the manifest."""
    return hasattr(condition, "load")


def is_recorded(condition: Condition) -> TypeGuard[Recorded]:
    """Whether a condition is computed from a recording."""
    return getattr(condition, "recorded", False)


def is_around(condition: Condition) -> TypeGuard[Around]:
    """Whether a condition is computed from the audio around a gap."""
    return getattr(condition, "around", False)


def is_felt(condition: Condition) -> TypeGuard[Felt]:
    """Whether a condition is an emotion."""
    return getattr(condition, "felt", False)


def is_spoken(condition: Condition) -> TypeGuard[Loaded]:
    """Whether a condition is computed from the text."""
    return getattr(condition, "spoken", False)


def is_heard(condition: Condition) -> TypeGuard[Heard]:
    """Whether a condition is measured in a clip's audio."""
    return hasattr(condition, "heard")


def is_corrupted(condition: Condition) -> TypeGuard[Corrupted]:
    """Whether a condition is computed from the corrupted audio of a clip."""
    return hasattr(condition, "corrupted")


def is_sequence(condition: Condition) -> bool:
    """Whether a condition has its own length, (U, C)."""
    return getattr(condition, "sequence", False)


def places_of(condition: Condition) -> Sequence[str]:
    """The networks that use a condition."""
    return getattr(condition, "places", (FLOW,))
