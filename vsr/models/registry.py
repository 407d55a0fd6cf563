"""Registries of the parts that a lip reader is assembled from.

A kind of front end, encoder or head is a frozen dataclass of plain numbers whose method ``build`` makes the module:

    @FRONTENDS.register("mine")
    @dataclass(frozen=True)
    class Mine:
        width: int = 64

        def build(self, dim: int) -> nn.Module: ...

Contracts (B batch, T frames, D width, V vocabulary):

- front end: ``build(dim)``; module(video (B, T, 1, 88, 88), zero on padding, mask (B, T)) -> (B, T, D), zero there too;
  its ``reads`` names another modality of the batch than "video", or several: then its input is
  `vsr.models.streams.Streams` of those that are there; ``form`` says how it takes sound (`vsr.data.modalities`), and
  ``whole`` that it reads no clip that lacks one of them;
- fusion: ``build(dim)``; module(video (B, T, D), sound (B, T, D), mask) -> the two as one (B, T, D), and how much each
  frame of either is relied on, modality -> (B, T), if it knows; a kind with ``joins = "readers"`` is the config of two
  whole readers that meet in the search instead (`vsr.models.fusion`);
- encoder: ``build(dim)``; module(features (B, T, D), mask) -> states (B, T, D), zero on padding;
- head (`vsr.models.heads.HeadSettings`): ``tokenizer(shared)``, ``targets(clip, frames, tokenizer)`` -> its own targets
  by name, ``build(dim, vocab_size)``; module.loss(states, batch) -> scalar, or "loss" and further figures, means over
  module.counted ("clips", or the name of a target whose known values are counted);
  module.search(states, lengths, nbest) -> for each clip `vsr.text.hypothesis.Hypothesis`, best first.

`docs/extending.md` shows each in one file from outside of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol

from torch import nn

from vsr.core.registry import Registry
from vsr.data.modalities import MEL, VIDEO, Read


class Part(Protocol):
    """Settings, a dataclass, that build a module of width D."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def build(self, dim: int) -> nn.Module: ...


class HeadPart(Protocol):
    """Settings of a head over states of width D: its tokenizer, its targets and its module."""

    def tokenizer(self, shared: Any) -> Any: ...

    def targets(self, clip: Any, frames: int, tokenizer: Any) -> dict[str, Any]: ...

    def build(self, dim: int, vocab_size: int) -> nn.Module: ...


FRONTENDS: Registry[type[Part]] = Registry("frontend", "vsr.frontends", "vsr.models.parts")
ENCODERS: Registry[type[Part]] = Registry("encoder", "vsr.encoders", "vsr.models.parts")
FUSIONS: Registry[Any] = Registry("fusion", "vsr.fusions", "vsr.models.fusions")
HEADS: Registry[type[HeadPart]] = Registry("head", "vsr.heads", "vsr.models.head_kinds")


def reads_of(part: Part | type[Part]) -> Read:
    """What of a batch a front end of these settings, or of this kind, reads."""
    return getattr(part, "reads", VIDEO)


def sound_form_of(part: Part) -> str:
    """How a front end of these settings takes sound, if it hears."""
    return getattr(part, "form", MEL)


def reads_wholes(part: Part) -> bool:
    """Whether a front end of these settings reads no clip that lacks one of its modalities."""
    return getattr(part, "whole", False)


def settings_of(registry: Registry, kind: str, given: Mapping[str, Any]) -> Any:
    """The typed settings of a kind. Raises ValueError for a kind or a setting that is not known."""
    made = registry[kind]
    try:
        return made(**given)
    except TypeError as error:
        raise ValueError(f"{registry.what} {kind}: {error}") from error


def split_kind(given: str | Mapping[str, Any], what: str) -> tuple[str, dict[str, Any]]:
    """A name, or a mapping with "kind" and settings -> the name, and the settings."""
    if isinstance(given, str):
        return given, {}
    settings = dict(given)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str):
        raise ValueError(f"{what} needs a kind, such as {{kind: resnet3d}}")
    return kind, settings
