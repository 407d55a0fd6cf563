"""Leave out sound that an audio-visual model cannot understand, so that it reads the lips alone.

Audio-visual models are trained in noise, but small ones still trust unintelligible sound. The entropy of CTC on each
stream alone reveals it: "hearing" in the model's config, {"entropy": nats}, is by how much the mean frame entropy may
be higher with the sound than with the lips; above that limit a clip's sound is left out. The limit is chosen on a
development list in noise, with visible and covered lips; without it all sound is used.

Shapes: B clips, T frames of the longest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from vsr.core.numbers import ANY
from vsr.data.batch import Batch
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.lengths import length_mask, zero_padding
from vsr.modelstore.checkpoint import bad_model

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def heard_if_understood(loaded: LoadedModel, batch: Batch) -> Batch:
    """A batch of video and sound, with the sound marked as missing in clips where it is unintelligible.

    Raises VsrError bad_model for an invalid "hearing" in the config.
    """
    limit = limit_of(loaded)
    if limit is None or not {VIDEO, SOUND} <= batch.inputs.keys():
        return batch
    has_sound = batch.has(SOUND)
    intelligible = entropy_by(loaded.model, batch, SOUND) - entropy_by(loaded.model, batch, VIDEO) <= limit
    return replace(batch, present=batch.present | {SOUND: has_sound & (intelligible | ~batch.has(VIDEO))})


def limit_of(loaded: LoadedModel) -> float | None:
    """How much higher (nats) the mean entropy may be with the sound than with the lips; None: all sound is used."""
    setting = loaded.config.get("hearing")
    if setting is None:
        return None
    limit = setting.get("entropy") if isinstance(setting, dict) else None
    if limit is None or limit not in ANY or loaded.model.ctc is None:
        problem = f'"hearing" in its config is {setting!r}: it must be {{"entropy": nats}}, of a model with CTC'
        raise bad_model(loaded.folder, problem)
    return float(limit)


def entropy_by(model, batch: Batch, modality: str) -> Tensor:
    """Mean entropy (nats) of the CTC posteriors of all frames from one stream alone, (B,)."""
    present = {modality: batch.has(modality)}
    alone = Batch({modality: batch.inputs[modality]}, batch.lengths, {}, batch.ids, present=present)
    logs = model.ctc_log_probs(model.encode_batch(alone)).float()
    entropy = -(logs.exp() * logs).sum(-1)
    return zero_padding(entropy, length_mask(batch.lengths, entropy.shape[1])).sum(1) / batch.lengths
