"""Renames a published checkpoint's tensors to ours, completely in both directions.

A table is a list of pairs (our prefix, the other's prefix), where `{}` stands for a layer's number. Our model gives the
needed names, so none can be missing; every tensor of the checkpoint must be used, or be listed as unused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.uninitialised import uninitialised

Table = Sequence[tuple[str, str]]


def other_name(name: str, table: Table) -> str:
    """The other project's name for our tensor ``name``."""
    for ours, others in table:
        match = re.match(re.escape(ours).replace(r"\{\}", r"(\d+)"), name)
        if match:
            return others.format(*match.groups()) + name[match.end() :]
    raise AssertionError(f"the table has no place for {name}")


def convert(weights: Mapping[str, Tensor], template: Mapping[str, Tensor], table: Table, unused: Iterable[str] = ()):
    """The checkpoint's ``weights`` under our names and in our shapes.

    Args:
        weights: tensors by the other project's names.
        template: our state dict (its values may be on the meta device).
        table: pairs of prefixes.
        unused: regular expressions for tensors that the model does not need.

    Raises:
        VsrError: bad_model naming the first tensor that is missing, unknown, of another shape or not finite.
    """
    names = {name: other_name(name, table) for name in template}
    known = set(names.values())
    ignored = re.compile("|".join(f"(?:{pattern})" for pattern in unused) or "(?!)")
    for name in weights:
        if name not in known and not ignored.fullmatch(name):
            raise VsrError("bad_model", f"the checkpoint has {name!r}, which this family of models does not")
    for name in names.values():
        if name not in weights:
            raise VsrError("bad_model", f"the checkpoint lacks {name!r}")
    return {name: _to_shape(weights[other], template[name], other) for name, other in names.items()}


def _to_shape(tensor: Tensor, like: Tensor, name: str) -> Tensor:
    """The tensor in the shape of ``like``; dimensions of size 1 may differ (a 1x1 convolution is a matrix)."""
    if [size for size in tensor.shape if size != 1] != [size for size in like.shape if size != 1]:
        actual, expected = tuple(tensor.shape), tuple(like.shape)
        raise VsrError("bad_model", f"{name!r} has shape {actual}, the other tensors ask for {expected}")
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise VsrError("bad_model", f"{name!r} holds values that are not finite")
    return tensor.to(like.dtype).reshape(like.shape)


def config_of(**sizes: Any) -> LipReaderConfig:
    """The settings of a lip reader. Raises VsrError (bad_model) for sizes that make no model."""
    try:
        return LipReaderConfig(**sizes)
    except ValueError as error:
        raise VsrError("bad_model", f"the sizes of its tensors make no model: {error}") from error


def skeleton(config: LipReaderConfig) -> LipReader:
    """A lip reader without memory for its weights. Raises VsrError (bad_model) for sizes that make no model."""
    try:
        with uninitialised(memory=False):
            return LipReader(config)
    except (ValueError, RuntimeError, AssertionError, ArithmeticError) as error:
        raise VsrError("bad_model", f"the sizes of its tensors make no model: {error}") from error


def dimension_of(weights: Mapping[str, Tensor], name: str, dim: int) -> int:
    """The size of the tensor ``name`` along ``dim``. Raises VsrError bad_model."""
    if name not in weights:
        raise VsrError("bad_model", f"the checkpoint lacks {name!r}")
    if weights[name].dim() < abs(dim) + (dim >= 0):
        raise VsrError("bad_model", f"{name!r} has shape {tuple(weights[name].shape)}: not a model of this family")
    return weights[name].shape[dim]


def count(weights: Mapping[str, Tensor], pattern: str) -> int:
    """Number of layers: of different numbers at the `{}` in names that begin with ``pattern``."""
    numbered = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d+)"))
    return len({match[1] for match in map(numbered.match, weights) if match})


def trunk_table(blocks: Sequence[int], ours: str, others: str) -> Table:
    """The rows of a ResNet's trunk; our blocks are numbered through all stages, the others' within each stage."""
    places = [(stage, block) for stage, size in enumerate(blocks, start=1) for block in range(size)]
    return [(f"{ours}.{k}.", f"{others}.layer{stage}.{block}.") for k, (stage, block) in enumerate(places)]
