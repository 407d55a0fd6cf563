"""Registries of the parts that a lip reader is assembled from.

A kind of front end, encoder or head is a frozen dataclass of plain numbers whose method ``build`` makes the module:

    @FRONTENDS.register("mine")
    @dataclass(frozen=True)
    class Mine:
        width: int = 64

        def build(self, dim: int) -> nn.Module: ...

Contracts (B batch, T frames, D width, V vocabulary):

- front end: ``build(dim)``; module(video (B, T, 1, 88, 88), zero on padding, mask (B, T)) -> (B, T, D), also zero on
  padding; its ``reads`` names another modality of the batch than "video", or several: then its input is
  `vsr.models.streams.Streams` of the modalities that the batch has; ``form`` names the form of sound that it reads
  (`vsr.data.modalities`), and with ``whole`` every clip must have all of its modalities;
- fusion: ``build(dim)``; module(video (B, T, D), sound (B, T, D), mask) -> fused features (B, T, D), and, where the
  fusion estimates it, the reliability of each frame of either stream, modality -> (B, T); a kind with
  ``joins = "readers"`` is the config of two whole readers that the search combines instead (`vsr.models.fusion`);
- encoder: ``build(dim)``; module(features (B, T, D), mask) -> states (B, T, D), zero on padding;
- head (`vsr.models.heads.HeadSettings`): ``tokenizer(shared)``, ``targets(clip, frames, tokenizer)`` -> its own targets
  by name, ``build(dim, vocab_size)``; module.loss(states, batch) -> a scalar, or a mapping with "loss" and further
  figures, means over module.counted ("clips", or the name of a target whose known values are counted);
  module.search(states, lengths, nbest) -> a list of `vsr.text.hypothesis.Hypothesis` for each clip, best first.

`docs/extending.md` has an example of each, in one file outside of the package.
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
    """The modality, or modalities, that a front end of these settings, or of this kind, reads."""
    return getattr(part, "reads", VIDEO)


def sound_form_of(part: Part) -> str:
    """The form of sound that a front end of these settings reads, if it reads sound."""
    return getattr(part, "form", MEL)


def reads_wholes(part: Part) -> bool:
    """Whether a front end of these settings needs all of its modalities in every clip."""
    return getattr(part, "whole", False)


def settings_of(registry: Registry, kind: str, values: Mapping[str, Any]) -> Any:
    """The typed settings of a kind. Raises ValueError for an unknown kind or setting."""
    settings_class = registry[kind]
    try:
        return settings_class(**values)
    except TypeError as error:
        raise ValueError(f"{registry.what} {kind}: {error}") from error


def split_kind(setting: str | Mapping[str, Any], what: str) -> tuple[str, dict[str, Any]]:
    """A name, or a mapping with "kind" and settings -> the kind's name, and the settings."""
    if isinstance(setting, str):
        return setting, {}
    settings = dict(setting)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str):
        raise ValueError(f"{what} needs a kind, such as {{kind: resnet3d}}")
    return kind, settings
