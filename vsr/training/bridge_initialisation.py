"""Initialise a unit bridge from a lip reader that predicts units (first stage of LMDecoder)."""

from __future__ import annotations

from torch import nn

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig, frontend_of
from vsr.models.unit_bridge import UnitBridge, UnitBridgeSettings
from vsr.modelstore.folder import load_model


def fill_bridge(model: nn.Module, config: LipReaderConfig) -> str:
    """Load a lip reader that predicts units into a `UnitBridge`, if the settings name its folder; returns a sentence
    for the user, "" where there is nothing to do. Raises VsrError bad_config for a model without such a head, or of
    other sizes."""
    part = frontend_of(config)
    if not isinstance(part, UnitBridgeSettings) or not part.weights:
        return ""
    bridge: UnitBridge = model.frontend
    source = load_model(part.weights).model
    if not isinstance(source, LipReader) or part.head not in source.further_heads:
        raise VsrError("bad_config", f"frontend.weights: {part.weights} has no head '{part.head}' that predicts units")
    pairs = ((bridge.frontend, source.frontend), (bridge.encoder, source.encoder),
             (bridge.units, source.further_heads[part.head]))  # fmt: skip
    try:
        for module, trained in pairs:
            module.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        problem = str(error).splitlines()[-1].strip()
        raise VsrError("bad_config", f"frontend.weights: {part.weights} has other sizes: {problem}") from error
    return f"units of the lips by {part.weights}"
