"""MixSpeech (Cheng et al. 2023): text losses from lips and from a mixed stream, and distillation from mixed to lips.

Shapes: B clips, T frames, U tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.modalities import SOUND
from vsr.models.decoder import Decoder
from vsr.models.distillation import divergence, mean_over
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.mixed_streams import MixedStreams
from vsr.models.outputs import outputs
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.step import demands

Logits = dict[str, Tensor]
FURTHER = "further_heads."  # path of further heads in a model


def needs_streams(config: LipReaderConfig) -> None:
    """Raises ValueError for a model without `MixedStreams`."""
    if config.frontend != "mixed_streams":
        raise ValueError(f"the objective mixspeech needs the front end mixed_streams, not {config.frontend}")


@demands(needs_streams)
def mixspeech(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Losses from lips alone by head, ``mixed``: the loss from the mixed stream, ``kl``: the divergence of the lips'
    predictions, and the ``share`` of sound frames; the front end of the model is `MixedStreams`."""
    streams = cast(MixedStreams, model.frontend)
    mix, frames = streams.mix, int(batch.lengths.max())
    losses, lips = by_lips(model, batch)
    is_sound = streams.draw_sound_frames(batch.lengths, frames)
    with streams.with_sound_frames(is_sound):
        mixed, teacher = read(model, batch)
    if mix.regularise == "sound":
        with torch.no_grad(), streams.with_sound_frames(torch.ones_like(is_sound)):
            teacher = read(model, batch)[1]
    kl = mean_divergence(lips, {name: x.detach() for name, x in teacher.items()}, batch, batch.has(SOUND))
    if model.training:
        streams.advance(float(entropy(teacher, batch)))
    loss = losses["loss"] + mix.mixed * mixed["loss"] + mix.kl * kl
    return losses | {"loss": loss, "mixed": mixed["loss"].detach(), "kl": kl.detach(), "share": streams.share.clone()}


def by_lips(model: LipReader, batch: Batch) -> tuple[dict[str, Tensor], Logits]:
    """As `read`, from the lips alone, for clips with sound too."""
    silent = torch.zeros_like(batch.has(SOUND))
    return read(model, replace(batch, present=batch.present | {SOUND: silent}))


def read(model: LipReader, batch: Batch) -> tuple[dict[str, Tensor], Logits]:
    """The losses of all heads, and the logits of CTC (B, T, V), of the decoder and of further decoders, such as that of
    a translation, (B, U + 1, V), by the path of the module in the model."""
    paths = [path for path in ("ctc", "decoder") if getattr(model, path) is not None]
    paths += [f"{FURTHER}{name}" for name, head in model.further_heads.items() if isinstance(head, Decoder)]
    with outputs(model, paths) as logits:
        losses = ctc_attention(model, batch)
    return losses, dict(logits)


def known_steps(place: str, logits: Tensor, batch: Batch) -> Tensor:
    """(B, S) bool: the real frames of CTC, or the tokens and ends of a decoder."""
    head_batch = batch.of(place.removeprefix(FURTHER))
    lengths = batch.lengths if place == "ctc" else (head_batch.tokens != IGNORE).sum(1) + 1
    return length_mask(lengths, logits.shape[1])


def mean_divergence(student: Logits, teacher: Logits, batch: Batch, clips: Tensor) -> Tensor:
    """KL divergence of student and teacher, summed over heads, mean over the steps of the marked ``clips`` (B,)."""
    divergences = [
        mean_over(divergence(student[path], logits.float().log_softmax(-1)),
                  known_steps(path, logits, batch) & clips[:, None])
        for path, logits in teacher.items()
    ]  # fmt: skip
    return torch.stack(divergences).sum()


@torch.no_grad()
def entropy(logits: Logits, batch: Batch) -> Tensor:
    """Mean entropy (nats) of the tokens of the first decoder, or without decoders of the frames of CTC."""
    path = next((path for path in logits if path != "ctc"), "ctc")
    log_probs = logits[path].float().log_softmax(-1)
    return mean_over(-(log_probs.exp() * log_probs).sum(-1), known_steps(path, log_probs, batch))
