"""Forced alignment: tokens -> frames, words -> seconds and confidence. Shapes: T frames, V vocabulary, U tokens.

CTC gives the confidence of a token, but its spikes may lie anywhere: a model that sees whole sentences learns to write
the first word on the first frames. If a model has a head trained on the token of each frame, the times come from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import FPS
from vsr.core.tokens import BLANK
from vsr.decoding.agreement import agreed
from vsr.decoding.confidence import calibrated
from vsr.decoding.viterbi import Word, align_tokens, best_path, even_spans
from vsr.models.fusion import FusedReader
from vsr.text.tokenizer import Tokenizer

REACH = 0.2  # seconds that a word may reach beyond its outermost spikes


def words_from_alignment(
    tokenizer: Tokenizer, tokens: Sequence[int], alignment: Sequence[tuple[int, int, float]], calibration=None
) -> list[Word]:
    """Words of aligned tokens. A CTC spike marks a moment, so each word extends half way to its neighbours' spikes,
    by at most ``REACH`` seconds. ``calibration`` is the model's, see `vsr.decoding.confidence`."""
    spans = [span for span in tokenizer.word_spans(tokens) if span[0]]
    firsts = [alignment[a][0] / FPS for _, a, _ in spans]
    lasts = [alignment[b - 1][1] / FPS for _, _, b in spans]
    words = []
    for k, (word, a, b) in enumerate(spans):
        before = lasts[k - 1] if k else -math.inf
        after = firsts[k + 1] if k + 1 < len(spans) else math.inf
        start = max(0.0, firsts[k] - REACH, (before + firsts[k]) / 2)
        end = min(lasts[k] + REACH, (lasts[k] + after) / 2)
        logs = [math.log(max(1e-6, alignment[i][2])) for i in range(a, b)]
        raw = math.exp(sum(logs) / len(logs))
        words.append(Word(word, start, end, calibrated(raw, calibration)))
    return words


@torch.inference_mode()
def align_text(model, states: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], calibration=None) -> list[Word]:
    """Words of one utterance's ``tokens`` from its encoder states (T, D)."""
    fused = isinstance(model, FusedReader)
    spans = token_spans(model, states, tokens)
    words = words_from_alignment(tokenizer, tokens, spans, None if fused else calibration)
    words = agreed(model, states, words, calibration) if fused else words
    if model.alignment is None or not words:
        return words
    log_probs = model.alignment(states).float().log_softmax(-1).cpu().numpy()
    spans = frame_spans(log_probs, tokenizer, tokens) or [(w.start * FPS, w.end * FPS) for w in words]
    return [replace(w, start=first / FPS, end=last / FPS) for w, (first, last) in zip(words, spans, strict=True)]


def frame_spans(log_probs: np.ndarray, tokenizer: Tokenizer, tokens: Sequence[int]) -> list[tuple[int, int]] | None:
    """(first frame, one past the last) of each word, from frame-wise log-probabilities (T, V); None if none fits.

    The path is the one that `vsr.data.batch.frame_targets` trains: blank in silence, and the tokens of each word in
    order, where a quickly spoken word may skip every other token.
    """
    labels, skip, owner = [BLANK], [False], [-1]
    words = [(a, b) for word, a, b in tokenizer.word_spans(tokens) if word]
    for number, (a, b) in enumerate(words):
        labels += [*tokens[a:b], BLANK]
        owner += [number] * (b - a) + [-1]
        # The path may skip the silence before a word, and a token unless it is the whole word.
        skip += [bool(number)] + [True] * (b - a - 1) + [b - a > 1]
    path = best_path(log_probs[:, labels], np.array(skip))
    if path is None:
        return None
    frames = [np.flatnonzero(np.array(owner)[path] == number) for number in range(len(words))]
    return [(int(span[0]), int(span[-1]) + 1) for span in frames] if all(map(len, frames)) else None


@torch.inference_mode()
def token_spans(model, states: Tensor, tokens: Sequence[int]) -> list[tuple[int, int, float]]:
    """(first frame, one past the last, confidence) of each token, from states (T, D).

    Both come from CTC. A model without CTC head gives no times: its tokens are spread evenly, and the confidence is the
    decoder's probability of each token.
    """
    if not tokens:
        return []
    if model.ctc:
        return align_tokens(model.ctc_log_probs(states[None])[0], tokens)
    prefix = torch.tensor([[model.config.vocab_size - 1, *tokens]], device=states.device)
    length = torch.tensor([len(states)], device=states.device)
    posteriors = model.decoder(prefix[:, :-1], states[None], length)[0].softmax(-1)
    confidence = posteriors.gather(1, prefix[0, 1:, None])[:, 0].tolist()
    return [(a, b, p) for (a, b), p in zip(even_spans(len(states), len(tokens)), confidence, strict=True)]
