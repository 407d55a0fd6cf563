"""Read the words of one face from its mouth crops: windows, encoder states, search, times in the original video.

Shapes: W frames of one window, D width.  Times are seconds in the original video, whatever its frame rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.core.windows import WINDOW, frame_edges, window_spans
from vsr.data.transforms import to_network_input
from vsr.decoding.assess import assess
from vsr.decoding.defaults import preferred_window
from vsr.decoding.domain import limited_probability
from vsr.decoding.encoding import Mouths, Waves, encode, encode_clips, usable_mouth_points
from vsr.decoding.evidence import joining
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.face.frame_rate import domain_limit, frame_rate
from vsr.face.piece import MIN_FRAMES
from vsr.inference.assemble import segments_of
from vsr.inference.records import ScoredWords, WindowRecord
from vsr.inference.single_head import search_head, words_of
from vsr.media.resample import between_gaps
from vsr.output.transcript import Segment, TimedWord

if TYPE_CHECKING:
    from vsr.decoding.viterbi import Word
    from vsr.face.mouth_crop import MouthClip
    from vsr.face.piece import Piece
    from vsr.modelstore.folder import LoadedModel
    from vsr.text.hypothesis import Hypothesis

FRAMES_AT_ONCE = 4 * WINDOW  # limit of a batch of windows, which bounds the memory
WINDOWS_AT_ONCE = 16
Hear = Callable[[list[np.ndarray]], Waves]  # times (W,) of the frames of several windows -> their sound


@dataclass(frozen=True)
class WindowReading:
    """One window: its hypotheses, best first, and the probability that it is in the model's domain."""

    hypotheses: tuple[ScoredWords, ...]
    in_domain: float | None

    def of(self, face: int, edges: np.ndarray) -> WindowRecord:
        """The record of this window for a face, with the window's frame borders in seconds."""
        return WindowRecord(face, float(edges[0]), float(edges[-1]), self.hypotheses, self.in_domain)


def read_clip(loaded: LoadedModel, clip: MouthClip, options: DecodeOptions, hear: Hear | None = None) -> list[Segment]:
    """The segments of one face, one per window, as in `transcribe`: the lips are not read where they rest, and windows
    meet where they pause. A clip without landmarks counts as speech throughout; there, windows meet where no word is
    cut. ``hear`` returns the sound of stretches of frames by their times, for an audio-visual model."""
    return read_piece(loaded, clip, clip.face, options, hear)


def read_piece(
    loaded: LoadedModel, clip: MouthClip | Piece, face: int, options: DecodeOptions, hear: Hear | None = None
) -> list[Segment]:
    """`read_clip` for a piece of a video, with the number of its face."""
    spans = spans_to_read(clip, preferred_window(loaded))
    edges = [frame_edges(clip.times[start:stop]) for start, stop in spans]
    mouths = usable_mouth_points(loaded, clip, spans)
    waves = hear([clip.times[start:stop] for start, stop in spans]) if hear else None
    readings = read_windows(loaded, [clip.crop[start:stop] for start, stop in spans], edges, options, mouths, waves)
    return list(segments_of(reading.of(face, span_edges) for span_edges, reading in zip(edges, readings, strict=True)))


def spans_to_read(clip: MouthClip | Piece, window: int) -> list[tuple[int, int]]:
    """The windows of a clip as (start, stop) frames; empty if the lips rest or are covered throughout."""
    stretches = clip.stretches
    if stretches is not None:
        return stretches.spans(window)
    parts = between_gaps(clip.times, [(0, len(clip.crop))], MIN_FRAMES)
    return [
        (first + start, first + stop) for first, last in parts for start, stop in window_spans(last - first, window)
    ]


def read_windows(
    loaded: LoadedModel, crops: list[np.ndarray], edges: list[np.ndarray], options: DecodeOptions,
    mouths: Mouths = None, waves: Waves = None,
) -> list[WindowReading]:  # fmt: skip
    """Encode and search windows, crops (W, 96, 96) with frame borders (W+1,) seconds, in batches of similar length.

    ``mouths``: mouth points (W, 14, 2) of each window or None, for a model that reads them; ``waves``: its sound
    (640 W,) or None, for an audio-visual model.
    """
    readings: dict[int, WindowReading] = {}
    mouths, waves = (inputs or [None] * len(crops) for inputs in (mouths, waves))
    for group in groups([len(crop) for crop in crops]):
        batch_crops, batch_mouths, batch_waves = ([inputs[i] for i in group] for inputs in (crops, mouths, waves))
        states, hypotheses = search_crops(loaded, batch_crops, options, batch_mouths, batch_waves)
        for i, window_states, ranked in zip(group, states, hypotheses, strict=True):
            most = 1.0 if waves[i] is not None else domain_limit(frame_rate(crops[i]))  # sound has no frames
            readings[i] = read_hypotheses(
                loaded, window_states[: len(crops[i])], ranked, 0, edges[i], options.head, most
            )
    return [readings[i] for i in range(len(crops))]


def groups(lengths: list[int]) -> Iterator[list[int]]:
    """Batches of window indices, the longest windows first."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[group[0]] if group else lengths[index]
        if len(group) == WINDOWS_AT_ONCE or (len(group) + 1) * longest > max(FRAMES_AT_ONCE, longest):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


@torch.inference_mode()
def search_crops(
    loaded: LoadedModel, crops: list[np.ndarray], options: DecodeOptions, mouths: Mouths = None, waves: Waves = None
):
    """Crops, each (W, 96, 96) -> encoder states (windows, longest W, D) and each window's hypotheses, best first.

    ``mouths`` and ``waves`` as in `read_windows`.
    """
    device = next(loaded.model.parameters()).device
    lengths = torch.tensor([len(crop) for crop in crops], device=device)
    video = torch.nn.utils.rnn.pad_sequence([to_network_input(crop) for crop in crops], batch_first=True).to(device)
    states = encode_clips(loaded, video, lengths, mouths, waves)
    return states, _search(loaded, states, lengths, options)


@torch.inference_mode()
def encode_and_search(
    loaded: LoadedModel, inputs: Mapping[str, torch.Tensor], lengths: torch.Tensor, options: DecodeOptions
):
    """Modalities (B, T, ...) by name, lengths (B,) -> encoder states (B, T, D) and each clip's hypotheses."""
    states = encode(loaded, inputs, lengths)
    return states, _search(loaded, states, lengths, options)


def _search(loaded: LoadedModel, states: torch.Tensor, lengths: torch.Tensor, options: DecodeOptions):
    if options.head:
        return search_head(loaded, options.head, states, lengths, options.nbest)
    others = joining(loaded, options)
    return decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, others)


def read_hypotheses(
    loaded: LoadedModel, states: torch.Tensor, ranked: list[Hypothesis], start: int, edges: np.ndarray, head: str = "",
    limit: float = 1.0,
) -> WindowReading:  # fmt: skip
    """Hypotheses of the window that begins at frame `start`, best first -> their words in original time; those of a
    ``head`` that is searched alone have no word times (`vsr.inference.single_head`). ``limit``: upper bound of the
    probability of being in domain."""
    if head:
        return WindowReading(tuple(words_of(loaded, head, ranked, edges[start:])), limited_probability(None, limit))
    word_lists, chance = assess(loaded, states, ranked, limit=limit)
    frames = np.arange(len(edges))

    def original(seconds: float) -> float:
        return float(np.interp(start + seconds * FPS, frames, edges))

    def timed(words: list[Word]) -> tuple[TimedWord, ...]:
        return tuple(TimedWord(word.word, original(word.start), original(word.end), word.confidence) for word in words)

    scored = [ScoredWords(hypothesis.score, timed(words)) for words, hypothesis in zip(word_lists, ranked, strict=True)]
    return WindowReading(tuple(scored), chance)
