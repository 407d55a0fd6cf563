"""Phrase spotting: where in a video a phrase may be said, by its CTC score relative to the best path.

After keyword spotting with CTC (Hwang, Lee and Sung 2015): the path of the phrase against the unrestricted best path
over the same frames. Shapes: T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.core.numbers import SHARE, check_number
from vsr.core.tokens import BLANK
from vsr.inference.alignment import tokens_of
from vsr.inference.free_reading import domain_probability
from vsr.inference.speech import EncodedWindow, encoded_windows
from vsr.text.tokenizer import SPACE, Tokenizer

if TYPE_CHECKING:
    from vsr.inference.face_report import FaceReport
    from vsr.modelstore.folder import LoadedModel

ASKED = 4  # windows from which the in-domain probability is taken
NEAR = FPS  # frames by which a head for frames may place a phrase elsewhere than CTC does


@dataclass(frozen=True)
class SpottedPhrase:
    """A phrase in a file: face, start and end in seconds, and its score in (0, 1]: the geometric mean over its tokens
    of its likelihood relative to the best path. in_domain: the probability that the lips around it are in domain, as
    in `vsr.output.transcript.Segment`."""

    file: str
    phrase: str
    face: int
    start: float
    end: float
    score: float
    in_domain: float | None = None


def find_phrases(
    loaded: LoadedModel, path: str | Path, phrases: Sequence[str], least: float, faces: str | int = "all",
    cropped: bool = False, report: FaceReport | None = None,
) -> Iterator[SpottedPhrase]:  # fmt: skip
    """Find phrases, or a single one, with a score of at least ``least`` in a video of any length, window by window,
    ordered by time in each.

    ``faces``, ``cropped``, ``report``: as in `vsr.inference.speech.speech_windows`; if nothing is found, ``report``
    also gets the in-domain probability of the first windows. Raises VsrError: bad_model, bad_text, bad_options,
    at_rest, covered, and the errors of reading a video.
    """
    check_number("least", least, SHARE, "bad_options")
    phrases = [phrases] if isinstance(phrases, str) else phrases  # a string is a sequence, too, of letters
    token_lists = [(phrase, tokens_of(loaded, phrase)) for phrase in phrases]
    empty: list[EncodedWindow] = []  # the first windows without a hit
    has_hits = False
    for window in encoded_windows(loaded, path, faces, cropped, report):
        spotted = [(phrase, match) for phrase, tokens in token_lists for match in spot(loaded, window, tokens, least)]
        in_domain = domain_probability(loaded, [window]) if spotted else None
        hits = [
            SpottedPhrase(str(path), phrase, window.face, start, end, score, in_domain)
            for phrase, ((start, end), score) in spotted
        ]
        yield from sorted(hits, key=lambda hit: (hit.start, hit.phrase))
        has_hits = has_hits or bool(hits)
        if not has_hits and len(empty) < ASKED:
            empty.append(window)
    if report is not None and not has_hits:
        report.in_domain = domain_probability(loaded, empty)


@torch.inference_mode()
def spot(
    loaded: LoadedModel, window: EncodedWindow, tokens: Sequence[int], least: float
) -> list[tuple[tuple[float, float], float]]:
    """((start, end) seconds, score) of each match in a window, best first; matches that overlap a better one are
    dropped."""
    log_probs = loaded.model.ctc_log_probs(window.states[None])[0].float().cpu().numpy()
    matches = spans(log_probs, bounded(loaded.tokenizer, tokens), len(tokens))
    frames = None
    if loaded.model.alignment is not None:
        frames = loaded.model.alignment(window.states).float().log_softmax(-1).cpu().numpy()
    taken: list[tuple[tuple[int, int], float]] = []
    for score, first, last in sorted(matches, reverse=True):
        if score < least:
            break
        span = (first, last) if frames is None else refine_match(frames, loaded.tokenizer, tokens, first, last)
        if not any(span[0] < other[1] and other[0] < span[1] for other, _ in taken):
            taken.append((span, score))
    return [((float(window.edges[a]), float(window.edges[b])), score) for (a, b), score in taken]


def bounded(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    """The tokens between two spaces, if the vocabulary has a space: else "at" would be found in "that"."""
    space = [i for i, piece in enumerate(tokenizer.pieces(range(tokenizer.vocab_size))) if piece == SPACE]
    return [space[0], *tokens, space[0]] if space else list(tokens)


def spans(log_probs: np.ndarray, tokens: Sequence[int], length: int) -> list[tuple[float, int, int]]:
    """(score, first frame, one past the last) of the best path through ``tokens`` that begins at each frame of (T, V).

    ``length``: number of the phrase's own tokens; if there are more, the first and the last are spaces, for which the
    borders of the window count, too. The score is the exponential of the path's log-likelihood minus that of the best
    path over the same frames, per token of the phrase.
    """
    edge = len(tokens) > length
    labels = np.full(2 * len(tokens) - 1, BLANK)  # blanks between tokens, none before and behind
    labels[::2] = tokens
    scores = _relative_log_probs(log_probs, labels, edge)
    skip = np.zeros(len(labels), bool)
    skip[2::2] = labels[2::2] != labels[:-2:2]
    total, begun = np.full(len(labels), -np.inf), np.zeros(len(labels), int)
    ended = np.zeros(len(labels), int)
    paths = []
    for t, row in enumerate(scores):
        best, entry_scores = _best_step(total, skip)
        index = np.maximum(np.arange(len(labels)) - best, 0)
        begun, ended = begun[index], ended[index]
        total = entry_scores + row
        first, last = (2, len(labels) - 3) if edge else (0, len(labels) - 1)
        if first < len(labels):
            entered = best[first] > 0 if first else best[0] == 1
            begun[first] = t if entered else begun[first]
        ended[last] = t  # the last frame of the phrase's last token
        if np.isfinite(total[-1]):
            paths.append((math.exp(total[-1] / length), int(begun[-1]) - edge, int(ended[-1]) + 1 - edge))
    return _peaks(paths)


def _best_step(total: np.ndarray, skip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best transition into each label (L,), as a number of labels (0 to 2; 2 only with ``skip``), and its score.
    The first label can also be entered from outside, as a path may begin at any frame."""
    by_one = np.concatenate([[0.0], total[:-1]])
    by_two = np.where(skip, np.concatenate([[-np.inf, -np.inf], total[:-2]]), -np.inf)
    moves = np.stack([total, by_one, by_two])
    return moves.argmax(0), moves.max(0)


def _relative_log_probs(log_probs: np.ndarray, labels: np.ndarray, edge: bool) -> np.ndarray:
    """Log-probability of each label (S,) minus that of the best token of its frame: (T, S). With ``edge`` (T + 2, S): a
    frame for each border of the window, which matches only the first or the last label."""
    scores = (log_probs - log_probs.max(1, keepdims=True))[:, labels]
    if not edge:
        return scores
    opening, closing = np.full((2, 1, len(labels)), -np.inf)
    opening[0, 0] = closing[0, -1] = 0.0
    return np.concatenate([opening, scores, closing])


def _peaks(paths: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """The best path of each first frame."""
    best: dict[int, tuple[float, int, int]] = {}
    for path in paths:
        if path[1] not in best or path[0] > best[path[1]][0]:
            best[path[1]] = path
    return list(best.values())


def refine_match(
    log_probs: np.ndarray, tokenizer: Tokenizer, tokens: Sequence[int], first: int, last: int
) -> tuple[int, int]:
    """Refine the (first, last) frames of a match with the log-probabilities (T, V) of a head for frames; unchanged if
    that head does not find the phrase nearby.

    CTC's spikes may be off by a good part of a second. A head for frames has no spaces, and may skip tokens of a quick
    word.
    """
    begin, end = max(0, first - NEAR), min(len(log_probs), last + NEAR)
    words = [tokens[a:b] for word, a, b in tokenizer.word_spans(tokens) if word]
    labels = [token for word in words for token in (*word, BLANK)][:-1]
    inside = np.array([label != BLANK for label in labels])
    ratio = log_probs[begin:end] - log_probs[begin:end].max(1, keepdims=True)
    total, begun = np.full(len(labels), -np.inf), np.zeros(len(labels), int)
    best_end, best_score = None, -np.inf
    skip = np.array([k > 1 and (inside[k] or inside[k - 2]) for k in range(len(labels))])
    for t, row in enumerate(ratio[:, labels]):
        by_one = np.concatenate([[0.0], total[:-1]])
        by_two = np.where(skip, np.concatenate([[-np.inf, -np.inf], total[:-2]])[: len(labels)], -np.inf)
        moves = np.stack([total, by_one, by_two])
        best = moves.argmax(0)
        begun = begun[np.maximum(np.arange(len(labels)) - best, 0)]
        begun[0] = t if best[0] == 1 else begun[0]
        total = moves.max(0) + row
        if total[-1] >= best_score:
            best_score, best_end = total[-1], (begin + int(begun[-1]), begin + t + 1)
    return best_end if best_end is not None and best_score > -len(tokens) * 3.0 else (first, last)
