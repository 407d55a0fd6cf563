"""States of a trained encoder, for rigs that train on top of all of its layers."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from on_states import stored

from vsr.data.manifest import Clip
from vsr.modelstore.folder import LoadedModel


def encoder_states(loaded: LoadedModel, clips: Sequence[Clip], root: str | Path) -> list[Tensor]:
    """States (T, D) of each clip after the last layer and norm; those before the norm are cached under ``root``."""
    encoder = loaded.model.encoder
    with torch.inference_mode():
        normalised = [encoder.norm(states) for states in stored(loaded, clips, len(encoder.layers), root)]
    return [states.clone() for states in normalised]  # tensors of inference mode cannot be trained on
