"""Minimum word error rate training: the expected errors of a decoder's n-best. Shapes: B clips, K hypotheses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.core.numbers import COUNT, NOT_NEGATIVE, check_numbers
from vsr.data.batch import CLIPS, Batch
from vsr.models.hypotheses import attended, log_probs, searched
from vsr.models.lipreader import LipReader
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.of_decoder import SETTINGS, OfDecoder, decoder_of, limit_of, references
from vsr.objectives.rewards import edits

REWARDS = ("word", "token")


@dataclass(frozen=True)
class MinimumRisk(OfDecoder):
    """Minimum word error rate training (Prabhavalkar et al. 2018): ``hybrid`` times the hybrid loss, and the expected
    errors of the n-best, sum over i of p_i (errors_i - mean errors), p renormalised over the list.

    ``reward``: errors of words, or of tokens. ``beam``: hypotheses of each clip, searched with the decoder alone.
    """

    name = "mwer"
    reward: str = "word"
    beam: int = 4
    hybrid: float = 0.01
    units = staticmethod(tuple)  # tokens -> what errors are counted in

    def __post_init__(self):
        check_numbers(self, SETTINGS, beam=COUNT, hybrid=NOT_NEGATIVE)
        if self.reward not in REWARDS:
            raise ValueError(f"reward is '{self.reward}'; it can be {' or '.join(REWARDS)}")

    def bound(self, tokenizer: Any) -> MinimumRisk:
        """The same, which can write words."""
        own = replace(self)
        if self.reward == "word":
            object.__setattr__(own, "units", lambda ids: tokenizer.decode(ids).split())
        return own

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        with attended(decoder_of(model)) as seen:
            losses = ctc_attention(model, batch)
        if not model.training:
            return losses
        states, lengths = seen[0]
        found = searched(decoder_of(model), states, lengths, self.beam, limit_of(batch))
        known = [self.units(own) for own in references(batch)]
        wrong = states.new_tensor(
            [[edits(self.units(one), ref) for one in own] for own, ref in zip(found.lists(), known, strict=True)]
        )
        risk = expected_errors(log_probs(decoder_of(model), states, lengths, found).sum(-1), wrong, found.ended)
        risk = risk * batch.share(CLIPS)
        return losses | {"loss": self.hybrid * losses["loss"] + risk, "risk": risk.detach()}


def expected_errors(scores: Tensor, wrong: Tensor, there: Tensor) -> Tensor:
    """Sum over the hypotheses of p (errors - their mean), mean over the clips; scores, wrong and ``there`` (B, K)."""
    shares = scores.masked_fill(~there, -torch.inf).softmax(-1)
    mean = (wrong * there).sum(-1, keepdim=True) / there.sum(-1, keepdim=True).clamp(min=1)
    return torch.where(there, shares * (wrong - mean), 0.0).sum(-1).mean()
