"""Beam search by Whisper's decoder, as in OpenAI's `whisper.decode`, with patience (Kasai et al. 2022).

The search ends when ``beams * patience`` texts have ended, and ranks them by their mean log-probability per token. The
generation settings of a Whisper's folder list the tokens to suppress, everywhere and at the beginning.

Shapes: P positions that the decoder attends to, H its width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vsr.text.hypothesis import Hypothesis


@dataclass(frozen=True)
class WhisperBeam:
    """beams: hypotheses kept at each step; patience: texts that must have ended, as a multiple of beams; begin: tokens
    before the text; end: its last token; suppressed: tokens never allowed; not_first: tokens not allowed first."""

    beams: int
    patience: float
    begin: tuple[int, ...]
    end: int
    suppressed: tuple[int, ...] = ()
    not_first: tuple[int, ...] = ()

    def run(self, whisper: Any, states: Tensor, max_tokens: int) -> list[Hypothesis]:
        """Encoder ``states`` (1, P, H) -> the hypotheses that ended, best first; if too few, also some cut at
        ``max_tokens`` tokens.

        Scores are natural log-probabilities of the text and its end; hypotheses are ordered by their mean.
        """
        beams: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
        ended: dict[tuple[int, ...], float] = {}
        cache: Any = None
        tokens = torch.tensor([self.begin], device=states.device)
        needed = round(self.beams * self.patience)
        for step in range(max_tokens):
            output = whisper(encoder_outputs=(states.expand(len(tokens), -1, -1),), decoder_input_ids=tokens,
                            past_key_values=cache, use_cache=True)  # fmt: skip
            log_probs, cache = self._allowed(output.logits[:, -1].float(), step), output.past_key_values
            beams, sources, new_ended = self._step(beams, log_probs)
            for text, score in new_ended[: needed - len(ended)]:
                ended[text] = score
            if len(ended) >= needed:
                break
            cache.reorder_cache(torch.tensor(sources, device=states.device))
            tokens = torch.tensor([[text[-1]] for text, _ in beams], device=states.device)
        for text, score in beams[: max(0, self.beams - len(ended))]:
            ended[text] = score
        ranked = sorted(ended.items(), key=lambda item: item[1] / max(1, len(item[0])), reverse=True)
        return [Hypothesis(text, score) for text, score in ranked]

    def _allowed(self, logits: Tensor, step: int) -> Tensor:
        """Log-probabilities (beams, V), -inf for suppressed tokens."""
        banned = [*self.suppressed, *(self.not_first if not step else ())]
        logits[:, banned] = -math.inf
        return logits.log_softmax(-1)

    def _step(self, beams: Sequence, log_probs: Tensor) -> tuple[list, list[int], list]:
        """(beams after one more token, index of the previous beam of each, hypotheses that ended among the best)."""
        scores, tokens = log_probs.topk(min(self.beams + 1, log_probs.shape[-1]))
        options = [
            (text, prefix_score + score, token, source)
            for source, (text, prefix_score) in enumerate(beams)
            for score, token in zip(scores[source].tolist(), tokens[source].tolist(), strict=True)
        ]
        next_beams: list[tuple[tuple[int, ...], float]] = []
        sources: list[int] = []
        ended: list[tuple[tuple[int, ...], float]] = []
        for text, score, token, source in sorted(options, key=lambda option: option[1], reverse=True):
            if token == self.end:
                ended.append((text, score))
                continue
            next_beams.append(((*text, token), score))
            sources.append(source)
            if len(next_beams) == self.beams:
                break
        return next_beams, sources, ended


def suppressed_by(whisper: Any, name: str) -> tuple[int, ...]:
    """Tokens in "suppress_tokens" or "begin_suppress_tokens" of a Whisper's generation settings."""
    tokens = getattr(getattr(whisper, "generation_config", None), name, None)
    tokens = getattr(whisper.config, name, None) if tokens is None else tokens
    return tuple(int(token) for token in tokens or () if 0 <= token < whisper.config.vocab_size)
