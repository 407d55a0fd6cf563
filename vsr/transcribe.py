"""One video file -> its transcript: reader, faces, mouth crops, encoder states, search, words with times.

Shapes: T video frames of one face, W frames of one window, D width, V vocabulary.  Times are seconds in the
original video, whatever its frame rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.clock import FPS
from vsr.decode.align import token_spans, words_from_alignment
from vsr.decode.beam import check_heads, decode
from vsr.decode.fusion import languages_of
from vsr.decode.options import DecodeOptions
from vsr.errors import VsrError
from vsr.transcript import Alternative, Segment, TimedWord, Transcript
from vsr.video.mouth import MouthClip, crop_tracks, crop_video
from vsr.video.transforms import to_network_input
from vsr.windows import keep_between, seams, window_spans

if TYPE_CHECKING:
    from vsr.hub import LoadedModel

WINDOWS_AT_ONCE = 4  # windows that are encoded and searched together: bounds the memory of a long clip


def transcribe(
    loaded: LoadedModel, path, options: DecodeOptions | None = None, faces: str = "largest"
) -> Transcript:
    """Read the lips in a video file.

    Args:
        loaded: model, tokenizer and config, of `vsr.hub.load_model`.
        path: the video file.
        options: of the search; `nbest` also sets how many alternatives each segment carries.
        faces: "largest" reads the face that fills most of the picture, "all" reads every face.

    Returns:
        The transcript, its segments ordered by start.

    Raises:
        VsrError: no_face, too_short, crop_out_of_frame, unreadable or no_video; bad_model or bad_config for what no
            file could survive.
    """
    options = options or DecodeOptions()
    check_heads(loaded.model, options.method)
    clips = _mouth_clips(path, faces)
    segments = [segment for clip in clips for segment in read_clip(loaded, clip, options)]
    info = clips[0].info
    ordered = tuple(sorted(segments, key=lambda segment: (segment.start, segment.face)))
    return Transcript(str(path), info.fps, info.duration, loaded.name, ordered)


def _mouth_clips(path, faces: str) -> list[MouthClip]:
    if faces == "all":
        return crop_tracks(path)
    if faces == "largest":
        return [crop_video(path)]
    raise VsrError("bad_config", f"faces is {faces!r}; it can be 'largest' or 'all'")


def read_clip(loaded: LoadedModel, clip: MouthClip, options: DecodeOptions) -> list[Segment]:
    """The segments of one face, one for each window; seams lie where no word is broken."""
    spans = window_spans(len(clip.crop))
    edges = frame_edges(clip.times)
    readings = list(_read_windows(loaded, clip.crop, spans, edges, options))
    overlaps = [(edges[start], edges[stop]) for (_, stop), (start, _) in zip(spans, spans[1:], strict=False)]
    borders = seams([reading[0][0] for reading in readings], overlaps)
    limits = [edges[0], *borders[1:-1], edges[-1]]
    return [
        _segment(reading, borders[index : index + 2], limits[index : index + 2], clip.face)
        for index, reading in enumerate(readings)
    ]


def frame_edges(times: np.ndarray) -> np.ndarray:
    """Frame times (T,) -> frame borders (T+1,): the end of the last frame is one frame after its start."""
    return np.append(times, times[-1] + 1 / FPS)


Reading = list[tuple[tuple[TimedWord, ...], float]]  # of one window: (words, score), best first


def _read_windows(loaded, crop: np.ndarray, spans, edges: np.ndarray, options) -> Iterator[Reading]:
    """Encode and search a few windows at a time; crop (T, 96, 96)."""
    for first in range(0, len(spans), WINDOWS_AT_ONCE):
        group = spans[first : first + WINDOWS_AT_ONCE]
        states, found = search_crops(loaded, [crop[start:stop] for start, stop in group], options)
        for (start, _), own, hypotheses in zip(group, states, found, strict=True):
            yield [timed_words(loaded, own, hypothesis, start, edges) for hypothesis in hypotheses]


@torch.inference_mode()
def search_crops(loaded: LoadedModel, crops: list[np.ndarray], options: DecodeOptions):
    """Crops, each (W, 96, 96), equally long -> encoder states (windows, W, D) and each window's hypotheses, best
    first."""
    device = next(loaded.model.parameters()).device
    video = torch.stack([to_network_input(crop) for crop in crops]).to(device)
    lengths = torch.full((len(crops),), video.shape[1], dtype=torch.long, device=device)
    states = loaded.model.encode(video, lengths)
    languages = languages_of(loaded, options)
    return states, decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, languages)


def timed_words(loaded: LoadedModel, states: torch.Tensor, hypothesis, start: int, edges: np.ndarray):
    """A hypothesis of the window that begins at frame `start` -> its words in original time, and score."""
    alignment = token_spans(loaded.model, states, hypothesis.tokens)
    found = words_from_alignment(loaded.tokenizer, hypothesis.tokens, alignment, loaded.config.get("confidence"))
    frames = np.arange(len(edges))

    def original(seconds: float) -> float:
        return float(np.interp(start + seconds * FPS, frames, edges))

    words = tuple(TimedWord(w.word, original(w.start), original(w.end), w.confidence) for w in found)
    return words, hypothesis.score


def _segment(reading, borders: list[float], limits: list[float], face: int) -> Segment:
    """What one window adds: of each hypothesis the words between its borders (seconds)."""
    cut = [(keep_between(words, *borders), score) for words, score in reading]
    words = cut[0][0]
    alternatives: dict[str, float] = {}
    for kept, score in cut:
        alternatives.setdefault(" ".join(word.word for word in kept), score)
    nbest = tuple(Alternative(text, score) for text, score in alternatives.items())
    # A segment without words still says where nothing was read.
    start, end = (words[0].start, words[-1].end) if words else limits
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Segment(start, end, face, confidence, words, nbest)
