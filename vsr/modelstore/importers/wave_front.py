"""The front end of sound common to auto_avsr, RAVEn and USR: a ResNet-18 over the wave (`vsr.models.resnet1d`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vsr.modelstore.importers.mapping import Table, count, dimension_of, trunk_table

TRUNK = "frontend.trunk."


def has_wave_front(weights: Mapping[str, Tensor], trunk: str = TRUNK) -> bool:
    """Whether there is a front end of sound at ``trunk``."""
    return f"{trunk}conv1.weight" in weights


def wave_front(
    weights: Mapping[str, Tensor], normalise: bool, ours: str = "frontend.", trunk: str = TRUNK,
    project: str = "proj_encoder.",
) -> tuple[dict[str, Any], Table]:  # fmt: skip
    """The settings of the front end, with its kind, and the rows of the table.

    Args:
        weights: of the checkpoint.
        normalise: whether each wave is normalised to mean 0 and variance 1.
        ours, trunk, project: prefixes of our front end, the checkpoint's trunk and the layer after it.

    Raises:
        VsrError: bad_model for a missing tensor.
    """
    blocks = [count(weights, f"{trunk}layer{stage}.{{}}.") for stage in (1, 2, 3, 4)]
    settings = {"kind": "resnet1d", "width": dimension_of(weights, f"{trunk}conv1.weight", 0), "blocks": blocks,
                "activation": "silu", "normalise": normalise}  # fmt: skip
    rows = [(f"{ours}stem.", f"{trunk}conv1."), (f"{ours}stem_bn.", f"{trunk}bn1."), (f"{ours}project.", project)]
    return settings, [*rows, *trunk_table(blocks, f"{ours}trunk", trunk.removesuffix("."))]


def without_kind(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a part without its kind."""
    return {name: value for name, value in settings.items() if name != "kind"}
