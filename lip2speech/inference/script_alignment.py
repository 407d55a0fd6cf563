"""Forced alignment of a script to the lips; words that do not fit are spread out and reported.

Even a text that the lips do not say has a best path, which means nothing. So every word gets a mean log-probability:
words below `FITS` lose their place and share the frames of speech between their neighbours, in proportion to their
letters (the alignment problem of dubbing with another text: EmoDubber, Cong et al. 2025, and others assume that the
text is spoken). Shapes: N frames in which lips speak, D width of the reader.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lip2speech.inference.script import ScriptCue
from lip2speech.inference.word_spreading import score_or_minus_infinity, spread
from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK
from vsr.decoding.align import align_text, token_spans
from vsr.decoding.viterbi import Word
from vsr.inference.alignment import tokens_of
from vsr.inference.speech import EncodedWindow

LIPS, SPREAD, NOWHERE = "lips", "spread", "nowhere"
FITS = -3.0  # least mean log-probability of a word that fits the lips
SLACK = 0.2  # seconds by which lips may move before or after their cues
FLOOR = 1e-6  # of a probability
TINY = 1e-6  # of a frame: what rounding may move a border by


@dataclass(frozen=True)
class PlacedWord:
    """A word of cue number ``cue`` (from 1), with the face that says it and its times in seconds of the video.

    log_prob: mean over its tokens on the best path, None if the frames were too few for an alignment; how: placed by
    the "lips", "spread", or "nowhere": no lips speak in its cue, and start and end are 0.
    """

    word: str
    cue: int
    how: str
    log_prob: float | None
    face: int = 0
    start: float = 0.0
    end: float = 0.0


def align_script(reader, parts: Sequence[EncodedWindow], cues: Sequence[ScriptCue]) -> list[PlacedWord]:
    """The words of all cues in their order.

    Args:
        reader: a lip reader with a CTC head.
        parts: the windows in which the lips of a video speak, encoded by that reader
            (`vsr.inference.speech.encoded_windows`).
        cues: in the order of their times.

    Raises VsrError bad_model, bad_text for words that the reader cannot write.
    """
    if not parts:
        return [PlacedWord(word, number, NOWHERE, None) for number, cue in enumerate(cues, 1) for word in cue.words]
    lips = _Lips.of(parts)
    placed: list[PlacedWord] = []
    for group in cues_aligned_together([(part.edges[0], part.edges[-1]) for part in parts], cues):
        words = [(number + 1, word) for number in group for word in cues[number].words]
        first, stop = lips.frames([cues[number] for number in group])
        if first == stop:
            placed += [PlacedWord(word, number, NOWHERE, None) for number, word in words]
        else:
            placed += _align_words(reader, lips, words, *extend_to_silence(reader.model, parts, first, stop))
    return placed


@dataclass(frozen=True)
class _Lips:
    """The frames of all windows, concatenated: states (N, D), number of the face (N,), begins and ends (N,) in s."""

    states: Tensor
    faces: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[EncodedWindow]) -> _Lips:
        faces = np.concatenate([[part.face] * len(part.states) for part in parts])
        begins, ends = (np.concatenate([part.edges[side] for part in parts]) for side in (slice(-1), slice(1, None)))
        return cls(torch.cat([part.states for part in parts]), faces, begins, ends)

    def frames(self, cues: Sequence[ScriptCue]) -> tuple[int, int]:
        """(first, one past the last) frame within the times of the cues, with some slack."""
        middles = (self.begins + self.ends) / 2
        low, high = cues[0].start - SLACK, max(cue.end for cue in cues) + SLACK
        inside = np.flatnonzero((middles >= low) & (middles < high))
        return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)

    def times(self, a: float, b: float) -> tuple[int, float, float]:
        """(face, start, end) of frames ``a`` to ``b``, which may be fractions; times in seconds."""
        low, high = math.floor(a + TINY), math.ceil(b - TINY) - 1
        start = float(self.begins[low] + (a - low) * (self.ends[low] - self.begins[low]))
        end = float(self.ends[high] - (high + 1 - b) * (self.ends[high] - self.begins[high]))
        return int(self.faces[low]), start, end


def _align_words(reader, lips: _Lips, words: Sequence[tuple[int, str]], first: int, stop: int) -> list[PlacedWord]:
    """Align words, each with the number of its cue, to frames ``first`` to ``stop``."""
    states = lips.states[first:stop]
    tokens = tokens_of(reader, " ".join(word for _, word in words))
    scores, spans = fit_words(reader, states, tokens, len(words))
    fits = [score_or_minus_infinity(score) >= FITS for score in scores]
    spans, fits = spread(spans, fits, scores, [len(word) for _, word in words], speech_extent(reader.model, states))
    return [
        PlacedWord(word, number, LIPS if fit else SPREAD, score, *lips.times(first + a, first + b))
        for (number, word), fit, score, (a, b) in zip(words, fits, scores, spans, strict=True)
    ]


def cues_aligned_together(windows: Sequence[tuple[float, float]], cues: Sequence[ScriptCue]) -> list[list[int]]:
    """Groups of cues (by index) that are aligned together, as they share a window of (start, end) seconds.

    A reader that sees a whole window may emit its words on any of its frames. So the border between two cues tells
    which words come before and after it, but not on which frames the reader's CTC emits them.
    """
    groups: list[list[int]] = []
    last = -1
    for number, cue in enumerate(cues):
        shared = [k for k, (start, end) in enumerate(windows) if min(cue.end, end) - max(cue.start, start) > SLACK]
        if groups and shared and shared[0] <= last:
            groups[-1].append(number)
        else:
            groups.append([number])
        last = max([last, *shared])
    return groups


@torch.inference_mode()
def extend_to_silence(model, parts: Sequence[EncodedWindow], first: int, stop: int) -> tuple[int, int]:
    """Extend frames ``first`` to ``stop`` to the ends of their windows, on each side where the head for frames finds no
    speech: CTC may have emitted there what was said within."""
    bounds = np.cumsum([0, *(len(part.states) for part in parts)])
    if model.alignment is None:
        return first, stop
    begin, end = int(bounds[bounds <= first].max()), int(bounds[bounds >= stop].min())
    speech = model.alignment(torch.cat([part.states for part in parts])[begin:end]).argmax(-1) != BLANK
    low = begin if not speech[: first - begin].any() else first
    return low, end if not speech[stop - begin :].any() else stop


def fit_words(
    reader, states: Tensor, tokens: Sequence[int], words: int
) -> tuple[list[float | None], list[tuple[float, float]]]:
    """The mean log-probability of each word and its (start, end) in frames of states (N, D); None and (0, 0) if the
    words do not fit into the frames."""
    needed = len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
    aligned: list[Word] = []
    if needed <= len(states):
        aligned = align_text(reader.model, states, reader.tokenizer, tokens)
    if len(aligned) != words:
        return [None] * words, [(0.0, 0.0)] * words
    spans = token_spans(reader.model, states, tokens)
    scores: list[float | None] = []
    for _, a, b in (span for span in reader.tokenizer.word_spans(tokens) if span[0]):
        scores.append(sum(math.log(max(FLOOR, spans[i][2])) for i in range(a, b)) / (b - a))
    return scores, [(word.start * FPS, min(len(states), word.end * FPS)) for word in aligned]


@torch.inference_mode()
def speech_extent(model, states: Tensor) -> tuple[float, float]:
    """(first, one past the last) frame of states (N, D) with speech by the head for frames; all frames without such a
    head, or if it finds no speech."""
    if model.alignment is None:
        return 0.0, float(len(states))
    speech = torch.nonzero(model.alignment(states).argmax(-1) != BLANK)[:, 0].tolist()
    return (float(speech[0]), float(speech[-1] + 1)) if speech else (0.0, float(len(states)))


def check_writable(reader, cues: Sequence[ScriptCue]) -> None:
    """Refuse a script with words that the reader cannot write, before a video is read. Raises VsrError."""
    for cue in cues:
        tokens = tokens_of(reader, " ".join(cue.words))
        written = [word for word, _, _ in reader.tokenizer.word_spans(tokens) if word]
        if written != list(cue.words):
            raise VsrError("bad_text", f"{reader.name} writes {' '.join(cue.words)!r} as {' '.join(written)!r}")
