"""Scheduled sampling: training of a decoder with some of its own predictions as input. Shapes: B clips, U tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.core.numbers import SHARE, check_numbers
from vsr.core.tokens import BLANK, UNK
from vsr.data.batch import Batch
from vsr.models.decoder import Decoder
from vsr.models.lipreader import LipReader
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.decoder_objective import SETTINGS, DecoderObjective, decoder_of


@dataclass(frozen=True)
class ScheduledSampling(DecoderObjective):
    """The hybrid loss, where a share ``p`` of the decoder's input tokens is replaced by its predictions after the true
    tokens (Bengio et al. 2015, in two passes as in Mihaylova and Martins 2019)."""

    name = "scheduled_sampling"
    p: float = 0.3

    def __post_init__(self):
        check_numbers(self, SETTINGS, p=SHARE)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        if not self.p or not model.training:
            return ctc_attention(model, batch)
        handle = decoder_of(model).register_forward_pre_hook(
            lambda decoder, args: (self.replace_inputs(decoder, *args), *args[1:])
        )
        try:
            return ctc_attention(model, batch)
        finally:
            handle.remove()

    @torch.no_grad()
    def replace_inputs(self, decoder: Decoder, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, U) that start with sos -> tokens with some replaced by predictions; sos stays."""
        end = decoder.embed.num_embeddings - 1
        logits = decoder.forward(tokens, states, lengths)[:, :-1]
        predictions = logits.index_fill(-1, tokens.new_tensor([BLANK, UNK, end]), -torch.inf).argmax(-1)
        is_replaced = (torch.rand(predictions.shape, device=predictions.device) < self.p) & (tokens[:, 1:] != end)
        return torch.cat([tokens[:, :1], torch.where(is_replaced, predictions, tokens[:, 1:])], 1)
