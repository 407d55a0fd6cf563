"""Whether the sound is intelligible to an audio-visual model, or would only mislead: then it reads the lips alone.

A model of both is trained in noise, but small ones go on to believe sound in which nothing can be understood. What
tells is how sure CTC is of each stream alone: "hearing" in the model's config, {"entropy": nats}, is by how much the
mean entropy of the frames may be higher by the sound than by the lips; above that a clip's sound is left out. It is
chosen on a development list in noise, with lips seen and covered; without it all sound is heard.

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
    """A batch of video and sound, of which the sound of clips that is not understood is marked as missing.

    Raises VsrError bad_model for a config that makes no sense.
    """
    limit = limit_of(loaded)
    if limit is None or not {VIDEO, SOUND} <= batch.inputs.keys():
        return batch
    heard = batch.has(SOUND)
    understood = entropy_by(loaded.model, batch, SOUND) - entropy_by(loaded.model, batch, VIDEO) <= limit
    return replace(batch, present=batch.present | {SOUND: heard & (understood | ~batch.has(VIDEO))})


def limit_of(loaded: LoadedModel) -> float | None:
    """How much higher (nats) the mean entropy may be by the sound than by the lips; None where all sound is heard."""
    given = loaded.config.get("hearing")
    if given is None:
        return None
    limit = given.get("entropy") if isinstance(given, dict) else None
    if limit is None or limit not in ANY or loaded.model.ctc is None:
        problem = f'"hearing" in its config is {given!r}: it must be {{"entropy": nats}}, of a model with CTC'
        raise bad_model(loaded.folder, problem)
    return float(limit)


def entropy_by(model, batch: Batch, modality: str) -> Tensor:
    """(B,) mean entropy (nats) of what CTC makes of the frames by one stream alone."""
    present = {modality: batch.has(modality)}
    alone = Batch({modality: batch.inputs[modality]}, batch.lengths, {}, batch.ids, present=present)
    logs = model.ctc_log_probs(model.encode_batch(alone)).float()
    entropy = -(logs.exp() * logs).sum(-1)
    return zero_padding(entropy, length_mask(batch.lengths, entropy.shape[1])).sum(1) / batch.lengths
