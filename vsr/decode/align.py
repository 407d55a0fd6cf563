"""Forced alignment: tokens -> frames, words -> seconds and confidence. Shapes: T frames, V vocabulary, U tokens.

CTC says how sure the model is of a token, but its spikes may lie anywhere: a model that sees whole sentences learns to
write the first word on the first frames. Where a model was also trained on the token of each frame, that head tells the
times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vsr.clock import FPS
from vsr.decode.agreement import agreed
from vsr.decode.confidence import calibrated
from vsr.models.fusion import FusedReader
from vsr.text.tokenizer import BLANK, Tokenizer

REACH = 0.2  # seconds that a word may reach beyond its outermost spikes


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds of the 25 fps clip, and its confidence in [0, 1]."""

    word: str
    start: float
    end: float
    confidence: float


def align_tokens(log_probs: Tensor, tokens: Sequence[int]) -> list[tuple[int, int, float]]:
    """Best CTC path through ``tokens`` (Viterbi): (first frame, one past the last, confidence) of each token.

    ``log_probs`` is (T, V). The confidence is the mean posterior over the token's frames. A text that does not fit
    into the frames is spread evenly with confidence 0.
    """
    if not tokens:
        return []
    scores = log_probs.float().cpu().numpy()
    labels = np.full(2 * len(tokens) + 1, BLANK)
    labels[1::2] = tokens
    skip = np.zeros(len(labels), bool)
    skip[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    path = best_path(scores[:, labels], skip)
    if path is None:
        return [(a, b, 0.0) for a, b in even_spans(len(scores), len(tokens))]
    spans = []
    for u in range(len(tokens)):
        frames = np.flatnonzero(path == 2 * u + 1)
        confidence = float(np.exp(scores[frames, tokens[u]]).mean())
        spans.append((int(frames[0]), int(frames[-1]) + 1, min(1.0, confidence)))
    return spans


def best_path(scores: np.ndarray, skip: np.ndarray) -> np.ndarray | None:
    """Likeliest state of each frame, (T, S) scores -> (T,), None where no path fits; vectorised over states.

    A path begins in one of the first two states, ends in one of the last two, and moves to the next state or, where
    ``skip`` (S,) says so, to the one after.
    """
    frames, states = scores.shape
    total = np.full(states, -np.inf)
    total[:2] = scores[0, :2]
    back = np.zeros((frames, states), np.int8)
    for t in range(1, frames):
        one = np.concatenate([[-np.inf], total[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf, -np.inf], total[:-2]]), -np.inf)
        moves = np.stack([total, one, two])
        back[t] = moves.argmax(0)
        total = moves.max(0) + scores[t]
    state = states - 1 if total[-1] >= total[-2] else states - 2
    if not np.isfinite(total[state]):
        return None
    path = np.empty(frames, int)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= back[t, state]
    return path


def words_from_alignment(
    tokenizer: Tokenizer, tokens: Sequence[int], alignment: Sequence[tuple[int, int, float]], calibration=None
) -> list[Word]:
    """Words of aligned tokens. A CTC spike marks a moment, so each word reaches half way to its neighbours' spikes,
    at most ``REACH`` seconds. ``calibration`` is the model's, see `vsr.decode.confidence`."""
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
    """(first frame, one past the last) of each word by the frames' own tokens, (T, V); None where they do not fit.

    The path is the one that `vsr.data.batching.frame_targets` teaches: blank in silence, each word's tokens in order,
    of which a quickly spoken word may lack every other.
    """
    labels, skip, owner = [BLANK], [False], [-1]
    words = [(a, b) for word, a, b in tokenizer.word_spans(tokens) if word]
    for number, (a, b) in enumerate(words):
        labels += [*tokens[a:b], BLANK]
        owner += [number] * (b - a) + [-1]
        # Past the silence before the word, and past a token that is not all of the word.
        skip += [bool(number)] + [True] * (b - a - 1) + [b - a > 1]
    path = best_path(log_probs[:, labels], np.array(skip))
    if path is None:
        return None
    frames = [np.flatnonzero(np.array(owner)[path] == number) for number in range(len(words))]
    return [(int(own[0]), int(own[-1]) + 1) for own in frames] if all(map(len, frames)) else None


@torch.inference_mode()
def token_spans(model, states: Tensor, tokens: Sequence[int]) -> list[tuple[int, int, float]]:
    """(first frame, one past the last, confidence) of each token, from states (T, D).

    CTC tells both. A model without CTC head says nothing about time: its tokens are spread evenly, and the confidence
    is the decoder's probability of each.
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


def even_spans(frames: int, tokens: int) -> list[tuple[int, int]]:
    """``tokens`` stretches of equal length over ``frames``."""
    edges = np.linspace(0, frames, tokens + 1).astype(int).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))
