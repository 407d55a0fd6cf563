"""The hybrid loss of CTC and attention (Watanabe et al. 2017), with frame targets where word times are known, and the
losses of further heads."""

from __future__ import annotations

from torch import Tensor

from vsr.data.batch import CLIPS, Batch
from vsr.models.layers import kept
from vsr.models.lipreader import LipReader, LipReaderConfig, layers_of
from vsr.models.outputs import outputs, sources_of


def ctc_attention(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Loss of a batch: ``loss``, the loss of each head by its name (``ctc``, ``attention``, ``alignment`` ...), and the
    decoder's ``accuracy``.

    Means over what each head counts, scaled by the batch's shares so that the ranks' mean is that over all batches.
    """
    layers, sources = layers_of(model.config), sources_of(model)
    weights = weights_of(model.config)
    losses: dict[str, Tensor] = {}
    with kept(model.encoder, layers.values()) as lower, outputs(model, sources.values()) as given:
        states = model.encode_batch(batch)
        for name, head in model.heads.items():
            seen = batch.of(name)
            read = given[sources[name]] if name in sources else lower[layers[name]] if name in layers else states
            found = head.loss(read, seen)
            figures = found if isinstance(found, dict) else {"loss": found}
            share = seen.share(getattr(head, "counted", CLIPS))
            named = {key: f"{name}_{key}" if key in losses else key for key in figures} | {"loss": name}
            losses |= {named[key]: value * share for key, value in figures.items()}
    loss = sum(weights[name] * losses[name] for name in model.heads)
    return {"loss": loss} | {name: value.detach() for name, value in losses.items()}


def weights_of(c: LipReaderConfig) -> dict[str, float]:
    """The weight of each head's loss."""
    further = {name: float(own.get("weight", 1.0)) for name, own in c.further_heads.items()}
    own = {"ctc": c.ctc_weight, "attention": 1 - c.ctc_weight, "alignment": c.alignment_weight, "words": 1.0}
    return own | further
