"""Scheduled sampling: in training a decoder also goes on from what it would say itself. Shapes: B clips, U tokens."""

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
from vsr.objectives.of_decoder import SETTINGS, OfDecoder, decoder_of


@dataclass(frozen=True)
class ScheduledSampling(OfDecoder):
    """The hybrid loss, where a share ``p`` of the tokens that the decoder is given are those that it would say itself
    after the true ones (Bengio et al. 2015, in two passes as by Mihaylova and Martins 2019)."""

    name = "scheduled_sampling"
    p: float = 0.3

    def __post_init__(self):
        check_numbers(self, SETTINGS, p=SHARE)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        if not self.p or not model.training:
            return ctc_attention(model, batch)
        handle = decoder_of(model).register_forward_pre_hook(lambda own, given: (self.mixed(own, *given), *given[1:]))
        try:
            return ctc_attention(model, batch)
        finally:
            handle.remove()

    @torch.no_grad()
    def mixed(self, decoder: Decoder, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, U) that begin with sos -> the same with some that the decoder says; the start stays."""
        end = decoder.embed.num_embeddings - 1
        logits = decoder.forward(tokens, states, lengths)[:, :-1]
        said = logits.index_fill(-1, tokens.new_tensor([BLANK, UNK, end]), -torch.inf).argmax(-1)
        own = (torch.rand(said.shape, device=said.device) < self.p) & (tokens[:, 1:] != end)
        return torch.cat([tokens[:, :1], torch.where(own, said, tokens[:, 1:])], 1)
