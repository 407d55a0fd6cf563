"""Beam search by the attention decoder alone, as in fairseq (Ott et al. 2019) and thus in AV-HuBERT and MuAViC.

Hypotheses are ranked by their mean log-probability per token, the end token included, so that short ones have no
advantage. An utterance is finished when as many hypotheses have ended as the beam is wide. A hypothesis may end only
where its end token is among the best extensions.

Shapes: B utterances, K hypotheses of each, V vocabulary, C candidates.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vsr.core.tokens import BLANK, UNK
from vsr.models.decoder import Decoder
from vsr.text.hypothesis import Hypothesis


class AttentionBeam:
    """The state of one batch of searches; utterances leave the batch as they finish.

    Args:
        decoder: attention decoder of the model.
        states, lengths: (B, T, D), and (B,) frames.
        beam: K.
        limits: (B,) maximum number of tokens of each utterance.
        end: token of both start and end.
    """

    def __init__(self, decoder: Decoder, states: Tensor, lengths: Tensor, beam: int, limits: Tensor, end: int):
        self.decoder, self.beam, self.limits, self.end = decoder, beam, limits, end
        self.cache = decoder.start(states, lengths)
        self.rows = torch.arange(len(lengths), device=states.device)
        self.scores = states.new_zeros(len(lengths), 1, dtype=torch.float32)  # summed, (B, K)
        self.tokens = lengths.new_full((len(lengths), 1, 1), end)  # (B, K, U + 1)
        self.done: list[list[Hypothesis]] = [[] for _ in range(len(lengths))]

    def run(self) -> list[list[Hypothesis]]:
        """Ended hypotheses of each utterance, best first; their ``score`` is the mean per token."""
        step = 0
        while len(self.rows):
            self.advance(step)
            step += 1
        return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) for hypotheses in self.done]

    def advance(self, step: int) -> None:
        """Extend every hypothesis by one token, and set aside those that have ended."""
        log_probs = self.decoder.step(self.tokens[..., -1], self.cache).float()
        total = self.scores[..., None] + self._allowed(log_probs, step)
        best = total.flatten(1).topk(min(2 * self.beam, total[0].numel() - 1))
        parents, new = best.indices // total.shape[-1], best.indices % total.shape[-1]
        ends = new == self.end
        for row, place in (ends & best.values.isfinite())[:, : self.beam].nonzero().tolist():
            self._put_aside(row, int(parents[row, place]), float(best.values[row, place]))
        order = torch.arange(ends.shape[1], device=ends.device) + ends * ends.shape[1]
        survivors = order.topk(min(self.beam, ends.shape[1]), largest=False).indices
        self.scores = best.values.masked_fill(ends, -math.inf).gather(1, survivors)
        parents, new = parents.gather(1, survivors), new.gather(1, survivors)
        past = self.tokens.gather(1, parents[..., None].expand(-1, -1, self.tokens.shape[2]))
        self.tokens = torch.cat([past, new[..., None]], -1)
        self.cache.reorder(parents)
        self._drop_finished(step)

    def _allowed(self, log_probs: Tensor, step: int) -> Tensor:
        """``log_probs`` with -inf for tokens that are not allowed: no text is empty, and at its limit it must end."""
        device = log_probs.device
        banned = torch.tensor([BLANK, UNK] if step else [BLANK, UNK, self.end], device=device)
        not_end = torch.arange(log_probs.shape[-1], device=device) != self.end
        log_probs = log_probs.index_fill(-1, banned, -math.inf)
        return log_probs.masked_fill((step >= self.limits)[:, None, None] & not_end, -math.inf)

    def _put_aside(self, row: int, parent: int, score: float) -> None:
        done = self.done[int(self.rows[row])]
        if len(done) < self.beam:
            tokens = tuple(self.tokens[row, parent, 1:].tolist())
            done.append(Hypothesis(tokens, score / (len(tokens) + 1), attention_score=score))

    def _drop_finished(self, step: int) -> None:
        """Remove utterances with enough ended hypotheses, at their length limit, or without a live hypothesis."""
        alive = (self.limits > step) & self.scores.isfinite().any(1)
        keep = [k for k, row in enumerate(self.rows.tolist()) if alive[k] and len(self.done[row]) < self.beam]
        if len(keep) < len(self.rows):
            index = torch.tensor(keep, dtype=torch.long, device=self.rows.device)
            self.cache.select(index)
            for name in ("rows", "limits", "tokens", "scores"):
                setattr(self, name, getattr(self, name)[index])
