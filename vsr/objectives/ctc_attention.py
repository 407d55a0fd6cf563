"""The hybrid loss of CTC and attention (Watanabe et al. 2017), with frame targets where word times are known."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader
from vsr.models.targets import shift_tokens
from vsr.objectives.losses import alignment_loss, ctc_loss


def ctc_attention(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Loss of a batch: ``loss``, its parts ``ctc``, ``attention`` and ``alignment``, the decoder's
    ``accuracy``, and the loss of each further head by its name.

    Means over the batch; with ``batch.shares`` scaled so that the ranks' mean is the mean over all their batches.
    """
    states = model.encode(batch.video, batch.lengths)
    clips, tokens, frames = batch.shares if batch.shares is not None else states.new_ones(3)
    log_probs = model.ctc_log_probs(states.float())
    losses = {"ctc": ctc_loss(log_probs, batch.lengths, batch.tokens, batch.token_lengths) * clips}
    weight = model.config.ctc_weight
    loss = weight * losses["ctc"]
    if model.decoder is not None:
        attention, accuracy = attention_loss(model, states, batch)
        losses |= {"attention": attention * tokens, "accuracy": accuracy * tokens}
        loss = loss + (1 - weight) * losses["attention"]
    if model.alignment is not None:  # not only where there are word times: ranks must not differ in their layers
        losses["alignment"] = alignment_loss(model.alignment(states).float(), batch.frame_tokens) * frames
        loss = loss + model.config.alignment_weight * losses["alignment"]
    for name, head in model.further_heads.items():
        losses[name] = head.loss(states, batch) * clips
        loss = loss + model.config.further_heads[name].get("weight", 1.0) * losses[name]
    return {"loss": loss} | {name: value.detach() for name, value in losses.items()}


def attention_loss(model: LipReader, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """The decoder's loss on the states (B, T, D) of a batch, and its share of tokens that are right."""
    tokens_in, targets = shift_tokens(batch.tokens, model.config.vocab_size - 1)
    logits = model.decoder(tokens_in, states, batch.lengths).float()
    attention = F.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=IGNORE, label_smoothing=model.config.label_smoothing
    )
    real = targets != IGNORE
    return attention, (logits.argmax(-1) == targets)[real].float().mean()
