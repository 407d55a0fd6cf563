"""The words of a video, towards which the voice is pulled: read from the lips, given by the user, or unknown.

Times of words are seconds in the original video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.synthesis_options import NONE, READ, READ_ALL, SynthesisOptions
from lip2speech.inference.word_conditions import unknown_words
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import SpokenWord
from vsr.core.clock import FPS
from vsr.core.errors import VsrError, cause_of
from vsr.core.windows import frame_edges
from vsr.data.manifest import Clip
from vsr.decoding.defaults import options_for
from vsr.decoding.guesses import is_guess
from vsr.output.transcript import Segment, TimedWord, Transcript
from vsr.output.unsure_words import LEAST


@dataclass
class Text:
    """Words by face, each list in the order of their times. This base class holds the words it was created with, or
    none; in `ReadText` ``words_by_face`` grows while a video is read."""

    words_by_face: dict[int, list[TimedWord]] = field(default_factory=dict)
    mesh: Any = None  # face mesh for the landmarks that its reader needs

    def words(self, piece, face: int) -> Sequence[TimedWord]:
        """The words of a face in a piece (`vsr.face.piece`) of the video."""
        return self.words_by_face.get(face, ())

    def display_text(self) -> str:
        """A line for each face; unsure words with a question mark."""
        return "\n".join(mark_unsure(self.words_by_face[face]) for face in sorted(self.words_by_face))

    def warning(self) -> str | None:
        """A warning about the words; None: there is none."""
        return None

    def entries(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """(face, word, whether it is a guess, whether it shapes the voice) in the order of faces and times."""
        return ((face, word, False, True) for face in sorted(self.words_by_face) for word in self.words_by_face[face])


class ReadText(Text):
    """The words that a lip reader recognises; ``everything``: words shape the voice even out of the reader's domain,
    where they are guesses."""

    def __init__(self, reader, everything: bool = False):
        from vsr.decoding.encoding import mesh_for

        super().__init__(mesh=mesh_for(reader))
        self.reader, self.options, self.everything = reader, options_for(reader), everything
        self.segments: list[Segment] = []

    def words(self, piece, face: int) -> Sequence[TimedWord]:
        from vsr.inference.recognition import read_piece

        segments = read_piece(self.reader, piece, face, self.options)
        self.segments += segments
        self.words_by_face.setdefault(face, []).extend(word for segment in segments for word in segment.words)
        return trusted_words(segments, self.everything)

    def display_text(self) -> str:
        faces = sorted(self.words_by_face)
        return "\n".join(read_line(segment for segment in self.segments if segment.face == face) for face in faces)

    def warning(self) -> str | None:
        return guess_warning(self.segments, self.reader.name, self.everything)

    def entries(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """As of `Text`; guesses are words out of the reader's domain."""
        for segment in sorted(self.segments, key=lambda segment: (segment.face, segment.start)):
            for word in segment.words:
                yield segment.face, word, segment.outside_domain, self.everything or not segment.outside_domain


def mark_unsure(words: Iterable[TimedWord]) -> str:
    """The words in one line; those that are more likely wrong than right with a question mark."""
    return " ".join(word.word if word.confidence >= LEAST else f"{word.word}(?)" for word in words)


def trusted_words(segments: Iterable[Segment], everything: bool = False) -> list[TimedWord]:
    """The words that may shape a voice: of segments in the reader's domain, or of all with ``everything``."""
    return [word for segment in segments if everything or not segment.outside_domain for word in segment.words]


def read_line(segments: Iterable[Segment]) -> str:
    """The recognised words in one line; guesses and words more likely wrong than right with a question mark."""
    word_lists = (
        [replace(word, confidence=0.0) for word in segment.words] if segment.outside_domain else segment.words
        for segment in segments
    )
    return mark_unsure(word for words in word_lists for word in words)


def guess_warning(segments: Iterable[Segment], reader: str, everything: bool = False) -> str | None:
    """The warning about words that were read out of the reader's domain; None if there are none."""
    for warning in Transcript("", None, None, reader, tuple(segments)).warnings:
        shaped = "and shape the voice" if everything else f"and do not shape the voice (--text {READ_ALL} lets them)"
        return f"{warning['message']} {shaped}"
    return None


def open_text(
    loaded: LoadedVoice, source: str | None, options: FlowOptions, path: str | Path, faces: str | int = "largest"
) -> Text:
    """The text that ``--text`` asks for.

    Args:
        source: "read", "read!" (guesses shape the voice, too), "none", a file or the words themselves; None:
            `default_text_source`.

    Raises:
        VsrError: no_listener, bad_options, bad_text; with words, also what their alignment to the video raises.
    """
    source = resolve_text_source(loaded, default_text_source(loaded, options) if source is None else source, options)
    if source == NONE:
        return Text()
    if source in (READ, READ_ALL):
        return ReadText(loaded.reader, source == READ_ALL)
    return aligned_text(loaded, words_in(source), path, faces)


def default_text_source(loaded: LoadedVoice, flow: FlowOptions) -> str:
    """The default source of words: "read" if the voice has a listener and the flow has steps, else "none"."""
    return READ if loaded.has_listener and flow.steps else NONE


def resolve_text_source(loaded: LoadedVoice, source: str | None, flow: FlowOptions) -> str:
    """``source``, checked; "none" for None. Raises VsrError no_listener, bad_options."""
    if source is None:
        return NONE
    if source != NONE:
        check_takes_words(loaded, flow)
        if not flow.steps:
            raise VsrError("bad_options", "--text guides the steps of the flow, and --steps is 0")
    return source


def check_takes_words(loaded: LoadedVoice, flow: FlowOptions) -> None:
    """Refuse a voice that words do not change: they pull with a listener, or are a condition. Raises VsrError
    no_listener, bad_model."""
    if loaded.has_listener or not loaded.is_told:
        _ = loaded.listener
    elif flow.pull not in (0, FlowOptions.pull):
        raise VsrError("no_listener", f"{loaded.parts[0]} has no listener, which --pull needs: leave it out")


def text_of(loaded: LoadedVoice, options: SynthesisOptions) -> str:
    """The source of a list's words: "read", "read!", "manifest" or "none". Raises VsrError as `resolve_text_source`."""
    return resolve_text_source(
        loaded, default_text_source(loaded, options.flow) if options.text is None else options.text, options.flow
    )


def words_of_clips(loaded: LoadedVoice, clips: Sequence[Clip], crops: Sequence[np.ndarray], text: str):
    """The words of each clip of a list, with times, from its crop (T, 96, 96) or the manifest.

    Clips out of the reader's domain have no words, except with "read!". A reader of mouth tracks gets those that the
    manifest names. Raises VsrError bad_manifest for a track that cannot be read or is not as long as its crop.
    """
    if text not in (READ, READ_ALL):
        return [[SpokenWord(*word) for word in clip.words] if text == "manifest" else [] for clip in clips]
    from vsr.data.mouth_track import load_features
    from vsr.decoding.encoding import reads_tracks
    from vsr.inference.recognition import read_windows

    mouths = [load_features(clip) if clip.track else None for clip in clips] if reads_tracks(loaded.reader) else None
    edges = [np.arange(len(crop) + 1) / FPS for crop in crops]
    readings = read_windows(loaded.reader, list(crops), edges, options_for(loaded.reader), mouths)
    in_domain = [text == READ_ALL or not is_guess(reading.in_domain) for reading in readings]
    words = [
        reading.hypotheses[0].words if is_known else () for reading, is_known in zip(readings, in_domain, strict=True)
    ]
    return [
        [SpokenWord(word.word, word.start, word.end, word.confidence) for word in clip_words] for clip_words in words
    ]


def text_in(text_or_path: str) -> str:
    """The text of a file, or ``text_or_path`` itself if it names none. Raises VsrError bad_text."""
    try:
        is_file = len(text_or_path) < 1000 and Path(text_or_path).is_file()
        return Path(text_or_path).read_text("utf-8") if is_file else text_or_path
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_text", f"{text_or_path} cannot be read as text: {cause_of(error)}") from error


def words_in(text_or_path: str) -> str:
    """`text_in` in lower case, words separated by one space. Raises VsrError bad_text."""
    return " ".join(text_in(text_or_path).lower().split())


def aligned_text(loaded: LoadedVoice, text: str, path: str | Path, faces: str | int) -> Text:
    """Known words at the times of their forced alignment to the lips, with confidence 1. Raises VsrError."""
    from vsr.inference.alignment import align_video

    if str(faces) not in ("largest", "1"):
        raise VsrError("bad_options", "--text with words is spoken by one face: leave out --faces, or use --text read")
    check_words(loaded, text)
    (segment,) = align_video(loaded.reader, path, text, faces).segments
    return Text({segment.face: [TimedWord(word.word, word.start, word.end, 1.0) for word in segment.words]})


def check_words(loaded: LoadedVoice, text: str) -> None:
    """Refuse words that are unknown to the listener of a voice, or without one to its conditions. Raises VsrError
    bad_text, bad_model."""
    if loaded.has_listener:
        unknown = [word for word in text.split() if loaded.listener.class_of(word) is None]
    else:
        unknown = unknown_words(loaded.voice.condition_settings, text.split())
    if unknown:
        listener = "the listener of this voice" if loaded.has_listener else "this voice"
        raise VsrError("bad_text", f"{listener} does not know {' '.join(unknown)!r}")


def words_spoken_between(words: Sequence[TimedWord], times: np.ndarray) -> list[SpokenWord]:
    """The words that are said in the frames at ``times`` (T,), seconds in the video. Their times become seconds after
    the first of these frames, counted at 25 frames a second."""
    edges = frame_edges(times)
    frames = np.arange(len(edges))

    def place(seconds: float) -> float:
        return float(np.interp(seconds, edges, frames)) / FPS

    inside = (word for word in words if word.end > edges[0] and word.start < edges[-1])
    return [SpokenWord(word.word, place(word.start), place(word.end), word.confidence) for word in inside]
