"""Beam search by Whisper's decoder as OpenAI's `whisper.decode` does it, with patience (Kasai et al. 2022).

A beam goes on until ``beams * patience`` texts have ended; ranked is by the mean log-probability of a token. What
Whisper must not say, and must not begin with, stands in its folder's generation settings.

Shapes: P positions that the decoder looks at, H its width, V vocabulary.
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
    """beams: kept at each step; patience: texts that must have ended, as a share of them; begin: tokens before the
    text; end: its last token; suppressed: tokens never said; not_first: nor as the first one."""

    beams: int
    patience: float
    begin: tuple[int, ...]
    end: int
    suppressed: tuple[int, ...] = ()
    not_first: tuple[int, ...] = ()

    def run(self, whisper: Any, heard: Tensor, most: int) -> list[Hypothesis]:
        """heard (1, P, H) -> all that ended, or was cut at ``most`` tokens where too little did, the best first.

        Scores are natural log-probabilities of the text and its end; the order is that of their mean.
        """
        beams: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
        ended: dict[tuple[int, ...], float] = {}
        cache: Any = None
        given = torch.tensor([self.begin], device=heard.device)
        wanted = round(self.beams * self.patience)
        for step in range(most):
            found = whisper(encoder_outputs=(heard.expand(len(given), -1, -1),), decoder_input_ids=given,
                            past_key_values=cache, use_cache=True)  # fmt: skip
            logs, cache = self._allowed(found.logits[:, -1].float(), step), found.past_key_values
            beams, sources, done = self._step(beams, logs)
            for text, score in done[: wanted - len(ended)]:
                ended[text] = score
            if len(ended) >= wanted:
                break
            cache.reorder_cache(torch.tensor(sources, device=heard.device))
            given = torch.tensor([[text[-1]] for text, _ in beams], device=heard.device)
        for text, score in beams[: max(0, self.beams - len(ended))]:
            ended[text] = score
        ranked = sorted(ended.items(), key=lambda own: own[1] / max(1, len(own[0])), reverse=True)
        return [Hypothesis(text, score) for text, score in ranked]

    def _allowed(self, logits: Tensor, step: int) -> Tensor:
        """Log-probabilities (beams, V) of what may be said."""
        kept = [*self.suppressed, *(self.not_first if not step else ())]
        logits[:, kept] = -math.inf
        return logits.log_softmax(-1)

    def _step(self, beams: Sequence, logs: Tensor) -> tuple[list, list[int], list]:
        """The beams after one more token, which of the former each comes of, and what has ended among the best."""
        scores, tokens = logs.topk(min(self.beams + 1, logs.shape[-1]))
        options = [
            (text, before + score, token, source)
            for source, (text, before) in enumerate(beams)
            for score, token in zip(scores[source].tolist(), tokens[source].tolist(), strict=True)
        ]
        kept: list[tuple[tuple[int, ...], float]] = []
        sources: list[int] = []
        done: list[tuple[tuple[int, ...], float]] = []
        for text, score, token, source in sorted(options, key=lambda own: own[1], reverse=True):
            if token == self.end:
                done.append((text, score))
                continue
            kept.append(((*text, token), score))
            sources.append(source)
            if len(kept) == self.beams:
                break
        return kept, sources, done


def suppressed_by(whisper: Any, name: str) -> tuple[int, ...]:
    """Tokens under "suppress_tokens" or "begin_suppress_tokens" of a Whisper's generation settings."""
    found = getattr(getattr(whisper, "generation_config", None), name, None)
    found = getattr(whisper.config, name, None) if found is None else found
    return tuple(int(own) for own in found or () if 0 <= own < whisper.config.vocab_size)
