"""Forced alignment of known words to the lips in a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.decoding.align import align_text
from vsr.decoding.assess import fitted_for
from vsr.inference.assemble import skipped_of, tracks_of
from vsr.inference.face_report import FaceReport
from vsr.inference.free_reading import domain_probability
from vsr.inference.speech import EncodedWindow, encoded_windows
from vsr.media.reader import probe
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def align_video(
    loaded: LoadedModel, path: str | Path, text: str, faces: str | int = "largest", cropped: bool = False,
    report: FaceReport | None = None,
) -> Transcript:  # fmt: skip
    """Align ``text``, all that the lips in a video say, to the video: times and confidences of its words.

    Args:
        loaded: a lip reader with a CTC head.
        path: the video; no word is placed where its lips rest.
        text: the complete text.
        faces, cropped, report: as in `vsr.inference.speech.speech_windows`.

    Returns:
        A transcript of one segment. The confidences say how well each word fits; ``in_domain`` is the probability that
        the lips are in the reader's domain.

    Raises:
        VsrError: bad_model, bad_text, at_rest, covered, and the errors of reading a video.
    """
    tokens = tokens_of(loaded, text)
    report = FaceReport() if report is None else report
    parts = list(encoded_windows(loaded, path, faces, cropped, report))
    states = torch.cat([part.states for part in parts])
    check_room(tokens, len(states), path)
    aligned = align_text(loaded.model, states, loaded.tokenizer, tokens, fitted_for(loaded, states).get("confidence"))
    begin, end = original_times(parts)
    words = tuple(
        TimedWord(word.word, begin(word.start), max(begin(word.start), end(word.end)), word.confidence)
        for word in aligned
    )
    aligned_text = " ".join(word.word for word in words)
    mean = sum(word.confidence for word in words) / len(words)
    in_domain = domain_probability(loaded, parts)
    segment = Segment(
        words[0].start, words[-1].end, parts[0].face, mean, words, (Alternative(aligned_text, 0.0),), in_domain
    )
    info = probe(path)
    return Transcript(
        str(path), info.fps, info.end, loaded.name, (segment,), tracks=tracks_of(report.tracks),
        skipped=skipped_of(report.skipped),
    )  # fmt: skip


def tokens_of(loaded: LoadedModel, text: str) -> list[int]:
    """The tokens of a text, if this reader can write and align it. Raises VsrError bad_model, bad_text."""
    if not loaded.model.ctc:
        raise VsrError("bad_model", f"{loaded.name} has no CTC head, which says when a word is said: use another")
    tokens = loaded.tokenizer.encode(text)
    if not tokens:
        raise VsrError("bad_text", "there are no words in the text")
    if UNK in tokens:
        unknown = [word for word in text.split() if UNK in loaded.tokenizer.encode(word)]
        raise VsrError("bad_text", f"{loaded.name} cannot write {' '.join(unknown or [text])!r}: it has other letters")
    return tokens


def check_room(tokens: Sequence[int], frames: int, path: str | Path) -> None:
    """Refuse a text that is too long for the speech: CTC needs a frame per token, and one between two equal tokens.

    Raises VsrError (bad_text).
    """
    needed = len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
    if needed > frames:
        problem = f"its lips speak for {frames / FPS:.1f} s, the text needs {needed / FPS:.1f} s at least"
        raise VsrError("bad_text", f"{path}: {problem}")


def original_times(parts: Sequence[EncodedWindow]):
    """Two functions from seconds on the concatenated frames of windows to seconds in the video: for begins and ends.

    They differ where two windows meet: an end there belongs to the left window, a begin to the right one.
    """
    lengths = [len(part.states) for part in parts]
    offsets = np.cumsum([0, *lengths])[:-1]

    def original(seconds: float, side: str) -> float:
        position = seconds * FPS
        number = max(0, int(np.searchsorted(offsets, position, side)) - 1)
        return float(np.interp(position - offsets[number], np.arange(lengths[number] + 1), parts[number].edges))

    return lambda seconds: original(seconds, "right"), lambda seconds: original(seconds, "left")
