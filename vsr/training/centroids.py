"""Fit centroids of a model's encoder states before training, by which a projector merges runs of a unit (VSP-LLM)."""

from __future__ import annotations

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.data.batch import CropDataset
from vsr.data.codebook import fit_codebook
from vsr.models.lipreader import LipReader, head_of
from vsr.models.projectors import Deduplicated, projector_of


@torch.no_grad()
def fit_centroids(model: LipReader, train: CropDataset, seed: int) -> str:
    """Fit the centroids of every head that has some to states of randomly drawn training clips, by the model's initial
    weights; returns a sentence for the user, "" without such heads. Raises VsrError bad_config for too few states."""
    notices = []
    for name, head in model.further_heads.items():
        projector = getattr(head, "projector", None)
        if isinstance(projector, Deduplicated):
            settings = getattr(head_of(model.config, name), "projector", None)
            clips = projector_of(settings).clips
            states = _states(model, train, clips, seed)
            centroids = _fitted(states, len(projector.centroids), seed)
            projector.centroids.copy_(torch.from_numpy(centroids))
            notices.append(f"{name}: {len(centroids)} centroids of the states of {len(states)} clips")
    return "; ".join(notices)


def _states(model: LipReader, train: CropDataset, clips: int, seed: int) -> list[np.ndarray]:
    """States (T, D) of ``clips`` randomly drawn training clips."""
    model.eval()
    order = np.random.default_rng(seed).permutation(len(train))[:clips].tolist()
    device, states = next(model.parameters()).device, []
    for index in order:
        batch = train.batch([index]).to(device)
        states.append(model.encode_batch(batch)[0, : int(batch.lengths[0])].float().cpu().numpy())
    return states


def _fitted(states: list[np.ndarray], size: int, seed: int) -> np.ndarray:
    frames = sum(map(len, states))
    if frames < size:
        raise VsrError("bad_config", f"projector.units is {size}, and {len(states)} clips have {frames} states")
    return fit_codebook(states, size, seed)
