"""MixSpeech (Cheng et al. 2023): lips and a mixed stream learn the text, and the lips what the mixed stream gives.

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
FURTHER = "further_heads."  # where further heads are in a model


def needs_streams(config: LipReaderConfig) -> None:
    """Raises ValueError for a model without `MixedStreams`."""
    if config.frontend != "mixed_streams":
        raise ValueError(f"the objective mixspeech needs the front end mixed_streams, not {config.frontend}")


@demands(needs_streams)
def mixspeech(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Losses of the lips by their heads' names, ``mixed`` of the mixed stream, ``kl`` between both, and the ``share``
    of the frames that were heard; the model's front end is `MixedStreams`."""
    streams = cast(MixedStreams, model.frontend)
    mix, frames = streams.mix, int(batch.lengths.max())
    losses, lips = by_lips(model, batch)
    heard = streams.drawn(batch.lengths, frames)
    with streams.hearing(heard):
        mixed, wanted = read(model, batch)
    if mix.regularise == "sound":
        with torch.no_grad(), streams.hearing(torch.ones_like(heard)):
            wanted = read(model, batch)[1]
    kl = apart(lips, {name: own.detach() for name, own in wanted.items()}, batch, batch.has(SOUND))
    if model.training:
        streams.advance(float(entropy(wanted, batch)))
    loss = losses["loss"] + mix.mixed * mixed["loss"] + mix.kl * kl
    return losses | {"loss": loss, "mixed": mixed["loss"].detach(), "kl": kl.detach(), "share": streams.share.clone()}


def by_lips(model: LipReader, batch: Batch) -> tuple[dict[str, Tensor], Logits]:
    """What the lips alone give, of the clips that have sound, too."""
    silent = torch.zeros_like(batch.has(SOUND))
    return read(model, replace(batch, present=batch.present | {SOUND: silent}))


def read(model: LipReader, batch: Batch) -> tuple[dict[str, Tensor], Logits]:
    """The losses of all heads, and the logits of CTC (B, T, V), of the decoder and of further decoders, such as of a
    translation (B, U + 1, V), by their places in the model."""
    places = [place for place in ("ctc", "decoder") if getattr(model, place) is not None]
    places += [f"{FURTHER}{name}" for name, head in model.further_heads.items() if isinstance(head, Decoder)]
    with outputs(model, places) as given:
        losses = ctc_attention(model, batch)
    return losses, dict(given)


def known_steps(place: str, logits: Tensor, batch: Batch) -> Tensor:
    """(B, S) bool: the real frames of CTC, or the tokens and ends of a decoder."""
    own = batch.of(place.removeprefix(FURTHER))
    lengths = batch.lengths if place == "ctc" else (own.tokens != IGNORE).sum(1) + 1
    return length_mask(lengths, logits.shape[1])


def apart(student: Logits, teacher: Logits, batch: Batch, clips: Tensor) -> Tensor:
    """KL of the student's from the teacher's, summed over the heads, mean over their steps in ``clips`` (B,)."""
    found = [
        mean_over(divergence(student[place], own.float().log_softmax(-1)),
                  known_steps(place, own, batch) & clips[:, None])
        for place, own in teacher.items()
    ]  # fmt: skip
    return torch.stack(found).sum()


@torch.no_grad()
def entropy(logits: Logits, batch: Batch) -> Tensor:
    """Mean entropy (nats) of the tokens of the first decoder, or where there is none of CTC's frames."""
    place = next((place for place in logits if place != "ctc"), "ctc")
    logs = logits[place].float().log_softmax(-1)
    return mean_over(-(logs.exp() * logs).sum(-1), known_steps(place, logs, batch))
