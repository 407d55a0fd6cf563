"""Joint CTC/attention beam search, batched over utterances and hypotheses.

Shapes: B running utterances, K hypotheses of each, C candidates, T frames, U tokens, V vocabulary.
After Watanabe et al. 2017; the decoder's likeliest tokens are the candidates that CTC scores (the pre-beam of ESPnet).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vsr.core.machine import exact_device
from vsr.core.required import required
from vsr.core.tokens import BLANK, UNK
from vsr.decoding.ctc import MINUS_INFINITY, NoScorer, PrefixScorer
from vsr.decoding.options import DecodeOptions
from vsr.decoding.scorers import Language, Scorer
from vsr.models.lipreader import LipReader
from vsr.text.hypothesis import Hypothesis

DECODER = "the attention decoder"  # as messages name it
PRE_BEAM = 1.5  # candidates of a hypothesis for each place in the beam


class JointSearch:
    """The state of one batch of searches; utterances leave the batch as they finish.

    ``log_probs`` None: the decoder alone scores. Decoder and caches stay on the ``device`` of the states; scores are
    float64, and they and their indices are on ``home``, which is the same device unless that has no float64.
    ``languages`` are (weight, language model) pairs; those of weight 0 are left out.
    """

    def __init__(
        self, model: LipReader, states: Tensor, log_probs: Tensor | None, lengths: Tensor, options: DecodeOptions,
        eos_id: int, languages: Sequence[tuple[float, Language]] = (),
    ):  # fmt: skip
        self.decoder, self.options, self.eos = required(model.decoder, DECODER), options, eos_id
        self.device, self.home = states.device, exact_device(states.device)
        self.cache = self.decoder.start(states, lengths)
        lengths = lengths.to(self.home)
        self.ctc: Scorer = NoScorer() if log_probs is None else PrefixScorer(log_probs.to(self.home), lengths)
        self.ctc_weight = 0.0 if log_probs is None else options.ctc_weight
        batch = len(lengths)
        self.languages = [(weight, language.start(batch, self.home)) for weight, language in languages if weight]
        # The most that a live hypothesis may still gain by one more hotword; the search does not wait for further ones.
        self.gain = sum(weight * language.gain for weight, language in self.languages)
        home = {"device": self.home}
        self.unsayable = torch.tensor([BLANK, UNK, eos_id], **home)
        self.limits = (lengths * options.max_length_ratio).long().clamp(min=1)
        self.rows = torch.arange(batch, **home)  # which utterance each running row is
        self.tokens = torch.full((batch, 1, 1), eos_id, dtype=torch.long, **home)  # (B, K, U+1), sos first
        self.attention = torch.zeros(batch, 1, dtype=states.dtype, **home)  # log-probability by the decoder, (B, K)
        self.language = torch.zeros(batch, 1, dtype=torch.float64, **home)  # weighted log-probability, (B, K)
        self.alive = torch.ones(batch, 1, dtype=torch.bool, **home)
        self.done: list[list[Hypothesis]] = [[] for _ in range(batch)]

    def run(self) -> list[list[Hypothesis]]:
        """Search until every utterance is finished."""
        step = 0
        while len(self.rows):
            self.advance(step)
            step += 1
        return [
            sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)[: self.options.nbest]
            for hypotheses in self.done
        ]

    def advance(self, step: int) -> None:
        """Extend every hypothesis by one token, and set aside those that have ended."""
        log_probs = self.decoder.step(self.tokens[..., -1].to(self.device), self.cache).to(self.home)
        candidates, attention = self.candidates(log_probs)
        ctc = self.ctc.extend(self.tokens[..., -1], candidates)
        attention = attention + self.attention[..., None]
        language = self.extended_language(candidates)
        total = self.total(attention, ctc, step) + language
        total[..., 1:].masked_fill_((step >= self.limits)[:, None, None], -math.inf)
        best = total.flatten(1).topk(min(self.options.beam, total[0].numel()), dim=1)
        candidates, attention, ctc, language = (
            scores.flatten(1).gather(1, best.indices) for scores in (candidates, attention, ctc, language)
        )
        self.grow(best.values, best.indices // total.shape[2], candidates, attention, ctc, language)
        self.drop_finished(step)

    def candidates(self, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """The end token and the decoder's C likeliest tokens, (B, K, 1+C), with their log-probabilities.

        The unknown token, which no text contains, and tokens that a language model rules out have -inf.
        """
        end = log_probs[..., self.eos : self.eos + 1]
        tokens = log_probs.index_fill(-1, self.unsayable, -math.inf)
        for _, language in self.languages:
            language.rule_out(tokens)
        count = min(math.ceil(PRE_BEAM * self.options.beam), max(1, log_probs.shape[-1] - 3))
        best = tokens.topk(count, dim=-1)
        ends = torch.full_like(best.indices[..., :1], self.eos)
        return torch.cat([ends, best.indices], dim=-1), torch.cat([end, best.values], dim=-1)

    def extended_language(self, candidates: Tensor) -> Tensor:
        """Weighted log-probability of every extension by the language models, (B, K, 1+C)."""
        last = self.tokens[..., -1]
        scores = [weight * language.extend(last, candidates) for weight, language in self.languages]
        return sum(scores, self.language[..., None].expand(candidates.shape))

    def total(self, attention: Tensor, ctc: Tensor, step: int) -> Tensor:
        """Joint score of every extension, (B, K, 1+C); -inf for those of hypotheses that have ended."""
        weight = self.ctc_weight
        total = (1 - weight) * attention.double() + (weight * ctc if weight else 0.0)
        total = total + self.options.length_bonus * step
        total[..., 1:] += self.options.length_bonus
        out = ~self.alive[..., None] | (ctc <= MINUS_INFINITY / 2) | attention.isneginf()
        return total.masked_fill(out, -math.inf)

    def grow(
        self, values: Tensor, parents: Tensor, new: Tensor, attention: Tensor, ctc: Tensor, language: Tensor
    ) -> None:
        """Make the chosen extensions, by the tokens ``new``, the hypotheses; every tensor is (B, K')."""
        ends, possible = new == self.eos, values.isfinite()
        self.attention, self.language = attention, language
        for row, slot in (ends & possible).nonzero().tolist():
            tokens = tuple(self.tokens[row, parents[row, slot], 1:].tolist())
            by_ctc, by_decoder, by_language = (
                float(scores[row, slot]) for scores in (ctc, self.attention, self.language)
            )
            hypothesis = Hypothesis(tokens, float(values[row, slot]), by_ctc, by_decoder, by_language)
            self.done[int(self.rows[row])].append(hypothesis)
        past = self.tokens.gather(1, parents[..., None].expand(-1, -1, self.tokens.shape[2]))
        self.tokens = torch.cat([past, new[..., None]], dim=-1)
        self.alive = ~ends & possible
        self.scores = values
        self.cache.reorder(parents.to(self.device))
        for scorer in self.scorers():
            scorer.follow(parents, new)

    def scorers(self) -> list[Scorer]:
        """All scorers of extensions except the decoder."""
        return [self.ctc, *(language for _, language in self.languages)]

    def drop_finished(self, step: int) -> None:
        """Remove utterances that cannot get better: no extension of a live hypothesis gains more than the bonus."""
        scores = self.scores.masked_fill(~self.alive, -math.inf)
        ahead = (self.limits - step).clamp(min=0) * max(0.0, self.options.length_bonus)
        bound = scores.max(1).values + ahead + self.gain
        keep = [row for row, b in enumerate(bound.tolist()) if not self.is_final(int(self.rows[row]), b)]
        if len(keep) == len(self.rows):
            return
        keep = torch.tensor(keep, dtype=torch.long, device=self.rows.device)
        self.cache.select(keep.to(self.device))
        for scorer in self.scorers():
            scorer.select(keep)
        for name in ("rows", "limits", "tokens", "attention", "language", "alive", "scores"):
            setattr(self, name, getattr(self, name)[keep])

    def is_final(self, utterance: int, bound: float) -> bool:
        """Whether the n-best of an utterance are final: nothing is live, or n ended hypotheses reach the bound."""
        better = sum(hypothesis.score >= bound for hypothesis in self.done[utterance])
        return bound == -math.inf or better >= self.options.nbest
