"""Mouth crops of one face -> its words: windows, encoder states, search, times in the original video.

Shapes: W frames of one window, D width.  Times are seconds in the original video, whatever its frame rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.assemble import segments_of
from vsr.clock import FPS
from vsr.decode.align import align_text
from vsr.decode.beam import decode
from vsr.decode.fusion import languages_of
from vsr.decode.options import DecodeOptions
from vsr.errors import VsrError
from vsr.transcript import Segment, TimedWord
from vsr.video.segment import spans_of
from vsr.video.transforms import to_network_input
from vsr.windows import WINDOW, frame_edges, window_spans

if TYPE_CHECKING:
    from vsr.hub import LoadedModel
    from vsr.video.mouth import MouthClip

FRAMES_AT_ONCE = 4 * WINDOW  # of windows that are encoded and searched together: bounds the memory
WINDOWS_AT_ONCE = 16

WindowReading = list[tuple[tuple[TimedWord, ...], float]]  # of one window: (words, score), best first


def read_clip(loaded: LoadedModel, clip: MouthClip, options: DecodeOptions) -> list[Segment]:
    """The segments of one face, one for each window, as `transcribe` makes them: rests of the lips are not read, and
    seams lie where they pause. A clip without landmarks is known to speak; there seams lie where no word is broken."""
    spans = spans_to_read(clip, preferred_window(loaded))
    edges = [frame_edges(clip.times[start:stop]) for start, stop in spans]
    readings = read_windows(loaded, [clip.crop[start:stop] for start, stop in spans], edges, options)
    records = [
        {"face": clip.face, "start": float(own[0]), "end": float(own[-1]),
         "hypotheses": [hypothesis_record(words, score) for words, score in reading]}
        for own, reading in zip(edges, readings, strict=True)
    ]  # fmt: skip
    return list(segments_of([{"readings": records}]))


def spans_to_read(clip: MouthClip, window: int) -> list[tuple[int, int]]:
    """(start, stop) frames of a clip that are each read by themselves; none where it rests or is covered throughout."""
    found = clip.stretches
    if found is None:
        return window_spans(len(clip.crop), window=window)
    return [span for part in found.speech for span in spans_of(found.active, *part, window)]


def preferred_window(loaded: LoadedModel) -> int:
    """Frames of the clips that the model reads best: "window" (seconds) of its config, else 12 s."""
    window = loaded.config.get("window", WINDOW / FPS)
    if not isinstance(window, (int, float)) or not 1 <= window <= 60:
        raise VsrError("bad_model", f"{loaded.folder}: window is {window!r}; it must be 1 to 60 seconds")
    return round(window * FPS)


def read_windows(
    loaded: LoadedModel, crops: list[np.ndarray], edges: list[np.ndarray], options: DecodeOptions
) -> list[WindowReading]:
    """Encode and search windows, crops (W, 96, 96) with frame borders (W+1,) seconds, those of like length together."""
    found: dict[int, WindowReading] = {}
    for group in _groups([len(crop) for crop in crops]):
        states, hypotheses = search_crops(loaded, [crops[i] for i in group], options)
        for i, own, ranked in zip(group, states, hypotheses, strict=True):
            found[i] = [timed_words(loaded, own[: len(crops[i])], hypothesis, 0, edges[i]) for hypothesis in ranked]
    return [found[i] for i in range(len(crops))]


def _groups(lengths: list[int]) -> Iterator[list[int]]:
    """Indices of windows that go into one batch, the longest first."""
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
def search_crops(loaded: LoadedModel, crops: list[np.ndarray], options: DecodeOptions):
    """Crops, each (W, 96, 96) -> encoder states (windows, longest W, D) and each window's hypotheses, best first."""
    device = next(loaded.model.parameters()).device
    lengths = torch.tensor([len(crop) for crop in crops], device=device)
    video = torch.nn.utils.rnn.pad_sequence([to_network_input(crop) for crop in crops], batch_first=True).to(device)
    states = loaded.model.encode(video, lengths)
    languages = languages_of(loaded, options)
    return states, decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, languages)


def timed_words(loaded: LoadedModel, states: torch.Tensor, hypothesis, start: int, edges: np.ndarray):
    """A hypothesis of the window that begins at frame `start` -> its words in original time, and score."""
    found = align_text(loaded.model, states, loaded.tokenizer, hypothesis.tokens, loaded.config.get("confidence"))
    frames = np.arange(len(edges))

    def original(seconds: float) -> float:
        return float(np.interp(start + seconds * FPS, frames, edges))

    words = tuple(TimedWord(w.word, original(w.start), original(w.end), w.confidence) for w in found)
    return words, hypothesis.score


def hypothesis_record(words: Iterable[TimedWord], score: float) -> dict:
    """Words and their score as plain JSON."""
    return {"score": score, "words": [[word.word, word.start, word.end, word.confidence] for word in words]}
