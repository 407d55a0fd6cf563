"""The hybrid loss of CTC and attention (Watanabe et al. 2017), with frame targets where word times are known, and the
losses of further heads."""

from __future__ import annotations

from torch import Tensor

from vsr.data.batch import CLIPS, Batch
from vsr.models.layers import record_layers
from vsr.models.lipreader import LipReader, LipReaderConfig, layers_of
from vsr.models.outputs import outputs, sources_of


def ctc_attention(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Losses of a batch: ``loss``, the loss of each head by its name (``ctc``, ``attention``, ``alignment`` ...), and
    the decoder's ``accuracy``.

    Means over what each head counts, scaled by the share of the batch so that the mean over ranks is that over all
    batches.
    """
    layers, sources = layers_of(model.config), sources_of(model)
    weights = weights_of(model.config)
    losses: dict[str, Tensor] = {}
    with record_layers(model.encoder, layers.values()) as lower, outputs(model, sources.values()) as captured:
        states = model.encode_batch(batch)
        for name, head in model.heads.items():
            head_batch = batch.of(name)
            x = captured[sources[name]] if name in sources else lower[layers[name]] if name in layers else states
            output = head.loss(x, head_batch)
            figures = output if isinstance(output, dict) else {"loss": output}
            share = head_batch.share(getattr(head, "counted", CLIPS))
            names = {key: f"{name}_{key}" if key in losses else key for key in figures} | {"loss": name}
            losses |= {names[key]: value * share for key, value in figures.items()}
    loss = sum(weights[name] * losses[name] for name in model.heads)
    return {"loss": loss} | {name: value.detach() for name, value in losses.items()}


def weights_of(c: LipReaderConfig) -> dict[str, float]:
    """The weight of each head's loss."""
    further = {name: float(settings.get("weight", 1.0)) for name, settings in c.further_heads.items()}
    built_in = {"ctc": c.ctc_weight, "attention": 1 - c.ctc_weight, "alignment": c.alignment_weight, "words": 1.0}
    return built_in | further
