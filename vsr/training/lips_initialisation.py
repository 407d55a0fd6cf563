"""Load a lip reader into a front end that contains one."""

from __future__ import annotations

from torch import nn

from vsr.core.errors import VsrError
from vsr.models.flamingo_settings import LipsAndWhisperSettings
from vsr.models.lipreader import LipReaderConfig, frontend_of
from vsr.modelstore.folder import load_model, pixel_reader


def fill_lips(model: nn.Module, config: LipReaderConfig) -> str:
    """Load front end and encoder of a lip reader into `LipsAndWhisper`, if the settings name its folder; returns a
    sentence for the user, "" where there is nothing to do. Raises VsrError bad_config for a model of other sizes."""
    part = frontend_of(config)
    if not isinstance(part, LipsAndWhisperSettings) or not part.weights:
        return ""
    source = pixel_reader(load_model(part.weights).model)
    try:
        model.frontend.frontend.load_state_dict(source.frontend.state_dict())
        model.frontend.encoder.load_state_dict(source.encoder.state_dict())
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise VsrError("bad_config", f"frontend.weights: {part.weights} has other sizes: {line}") from error
    return f"lips read by {part.weights}"
