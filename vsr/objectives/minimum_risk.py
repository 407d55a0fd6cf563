"""Minimum word error rate training: expected errors of a decoder's n-best list. Shapes: B clips, K hypotheses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.core.numbers import COUNT, NOT_NEGATIVE, check_numbers
from vsr.data.batch import CLIPS, Batch
from vsr.models.hypotheses import beam_search, log_probs, record_decoder_inputs
from vsr.models.lipreader import LipReader
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.decoder_objective import SETTINGS, DecoderObjective, decoder_of, length_limits, references
from vsr.objectives.rewards import edits

REWARDS = ("word", "token")


@dataclass(frozen=True)
class MinimumRisk(DecoderObjective):
    """Minimum word error rate training (Prabhavalkar et al. 2018): ``hybrid`` times the hybrid loss, plus the expected
    errors of the n-best list, sum over i of p_i (errors_i - mean errors), p renormalised over the list.

    ``reward``: errors of words, or of tokens. ``beam``: hypotheses of each clip, searched with the decoder alone.
    """

    name = "mwer"
    searches = True
    reward: str = "word"
    beam: int = 4
    hybrid: float = 0.01
    units = staticmethod(tuple)  # tokens -> the units in which errors are counted

    def __post_init__(self):
        check_numbers(self, SETTINGS, beam=COUNT, hybrid=NOT_NEGATIVE)
        if self.reward not in REWARDS:
            raise ValueError(f"reward is '{self.reward}'; it can be {' or '.join(REWARDS)}")

    def bound(self, tokenizer: Any) -> MinimumRisk:
        """A copy that can decode tokens to words."""
        objective = replace(self)
        if self.reward == "word":
            object.__setattr__(objective, "units", lambda ids: tokenizer.decode(ids).split())
        return objective

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        with record_decoder_inputs(decoder_of(model)) as decoder_inputs:
            losses = ctc_attention(model, batch)
        if not model.training:
            return losses
        states, lengths = decoder_inputs[0]
        nbest = beam_search(decoder_of(model), states, lengths, self.beam, length_limits(batch))
        targets = [self.units(tokens) for tokens in references(batch)]
        errors = states.new_tensor(
            [
                [edits(self.units(tokens), target) for tokens in texts]
                for texts, target in zip(nbest.lists(), targets, strict=True)
            ]
        )
        risk = expected_errors(log_probs(decoder_of(model), states, lengths, nbest).sum(-1), errors, nbest.ended)
        risk = risk * batch.share(CLIPS)
        return losses | {"loss": self.hybrid * losses["loss"] + risk, "risk": risk.detach()}


def expected_errors(scores: Tensor, wrong: Tensor, exists: Tensor) -> Tensor:
    """Sum over hypotheses of p (errors - mean errors), mean over the clips; scores, ``wrong``: errors, ``exists``:
    bool, hypotheses that exist, all (B, K)."""
    shares = scores.masked_fill(~exists, -torch.inf).softmax(-1)
    mean = (wrong * exists).sum(-1, keepdim=True) / exists.sum(-1, keepdim=True).clamp(min=1)
    return torch.where(exists, shares * (wrong - mean), 0.0).sum(-1).mean()
