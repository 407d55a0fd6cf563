"""What a bridge of units begins with: a reader of lips that predicts them (LMDecoder's first stage)."""

from __future__ import annotations

from torch import nn

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig, frontend_of
from vsr.models.unit_bridge import UnitBridge, UnitBridgeSettings
from vsr.modelstore.folder import load_model


def fill_bridge(model: nn.Module, config: LipReaderConfig) -> str:
    """Put the weights of a reader of lips that predicts units into a `UnitBridge`, where the settings name its folder;
    returns a sentence, "" where there is nothing to do. Raises VsrError bad_config for a reader of other sizes."""
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
        for own, given in pairs:
            own.load_state_dict(given.state_dict())
    except RuntimeError as error:
        told = str(error).splitlines()[-1].strip()
        raise VsrError("bad_config", f"frontend.weights: {part.weights} has other sizes: {told}") from error
    return f"units of the lips by {part.weights}"
