"""Forced alignment in a video: known words -> their times."""

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
from vsr.inference.free_reading import known_lips
from vsr.inference.seen import Seen
from vsr.inference.speech import Encoded, encoded
from vsr.media.reader import probe
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def align_video(
    loaded: LoadedModel, path: str | Path, text: str, faces: str | int = "largest", cropped: bool = False,
    seen: Seen | None = None,
) -> Transcript:  # fmt: skip
    """The times and confidences of the words of ``text``, which the lips in a video say from beginning to end.

    Args:
        loaded: a lip reader with a CTC head.
        path: the video; where its lips rest, no word is looked for.
        text: all that is said.
        faces, cropped, seen: as `vsr.inference.speech.spoken` takes them.

    Returns:
        A transcript of one segment, whose confidences say how well each word fits, and whose ``in_domain`` whether the
        reader knows such lips.

    Raises:
        VsrError: bad_model, bad_text, at_rest, covered, and what a video is refused for.
    """
    tokens = tokens_of(loaded, text)
    seen = Seen() if seen is None else seen
    parts = list(encoded(loaded, path, faces, cropped, seen))
    states = torch.cat([part.states for part in parts])
    check_room(tokens, len(states), path)
    found = align_text(loaded.model, states, loaded.tokenizer, tokens, fitted_for(loaded, states).get("confidence"))
    begin, end = original_times(parts)
    words = tuple(TimedWord(w.word, begin(w.start), max(begin(w.start), end(w.end)), w.confidence) for w in found)
    said = " ".join(word.word for word in words)
    mean = sum(word.confidence for word in words) / len(words)
    chance = known_lips(loaded, parts)
    segment = Segment(words[0].start, words[-1].end, parts[0].face, mean, words, (Alternative(said, 0.0),), chance)
    info = probe(path)
    return Transcript(
        str(path), info.fps, info.end, loaded.name, (segment,), tracks=tracks_of(seen.tracks),
        skipped=skipped_of(seen.skipped),
    )  # fmt: skip


def tokens_of(loaded: LoadedModel, text: str) -> list[int]:
    """The tokens of a text that this reader can say and time. Raises VsrError bad_model, bad_text."""
    if not loaded.model.ctc:
        raise VsrError("bad_model", f"{loaded.name} has no CTC head, which says when a word is said: use another")
    tokens = loaded.tokenizer.encode(text)
    if not tokens:
        raise VsrError("bad_text", "there are no words in the text")
    if UNK in tokens:
        strange = [word for word in text.split() if UNK in loaded.tokenizer.encode(word)]
        raise VsrError("bad_text", f"{loaded.name} cannot write {' '.join(strange or [text])!r}: it has other letters")
    return tokens


def check_room(tokens: Sequence[int], frames: int, path: str | Path) -> None:
    """Refuse a text that is longer than the speech: CTC needs a frame for each token and between two that are the same.

    Raises VsrError (bad_text).
    """
    needed = len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
    if needed > frames:
        problem = f"its lips speak for {frames / FPS:.1f} s, the text needs {needed / FPS:.1f} s at least"
        raise VsrError("bad_text", f"{path}: {problem}")


def original_times(parts: Sequence[Encoded]):
    """Two functions of seconds on the joined frames of windows -> seconds in the video: of beginnings and of ends.

    They differ where two windows meet: an end there is the left one's, a beginning the right one's.
    """
    lengths = [len(part.states) for part in parts]
    offsets = np.cumsum([0, *lengths])[:-1]

    def original(seconds: float, side: str) -> float:
        at = seconds * FPS
        number = max(0, int(np.searchsorted(offsets, at, side)) - 1)
        return float(np.interp(at - offsets[number], np.arange(lengths[number] + 1), parts[number].edges))

    return lambda seconds: original(seconds, "right"), lambda seconds: original(seconds, "left")
