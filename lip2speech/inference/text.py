"""What is said in a video, for the voice that is pulled towards it: read from the lips, given, or not known.

Times of words are seconds in the original video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.options import NONE, READ, READ_ALL, SynthesisOptions
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import Said
from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges
from vsr.data.manifest import Clip
from vsr.decoding.defaults import options_for
from vsr.decoding.guesses import is_guess
from vsr.output.transcript import Segment, TimedWord, Transcript
from vsr.output.unsure import LEAST


@dataclass
class Text:
    """Words by face, each list in the order of their times; ``known`` grows while a video is read. By itself it knows
    what it was begun with: nothing, or words that were given."""

    known: dict[int, list[TimedWord]] = field(default_factory=dict)
    mesh: Any = None  # what finds the points that its reader needs

    def words(self, piece, face: int) -> Sequence[TimedWord]:
        """The words that a face says in a piece (`vsr.face.piece`) of its video."""
        return self.known.get(face, ())

    def shown(self) -> str:
        """A line for each face; words that are not to be believed with a question mark."""
        return "\n".join(marked(self.known[face]) for face in sorted(self.known))

    def warning(self) -> str | None:
        """What must be known of the words; None: nothing."""
        return None

    def each(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """(face, word, whether it is a guess, whether it shapes the voice) in the order of faces and times."""
        return ((face, word, False, True) for face in sorted(self.known) for word in self.known[face])


class ReadText(Text):
    """What a lip reader makes of the lips; ``everything``: words shape the voice even where the lips are unlike what
    the reader was trained on, and its words are guesses."""

    def __init__(self, reader, everything: bool = False):
        from vsr.decoding.encoding import mesh_for

        super().__init__(mesh=mesh_for(reader))
        self.reader, self.options, self.everything = reader, options_for(reader), everything
        self.segments: list[Segment] = []

    def words(self, piece, face: int) -> Sequence[TimedWord]:
        from vsr.inference.recognition import read_piece

        found = read_piece(self.reader, piece, face, self.options)
        self.segments += found
        self.known.setdefault(face, []).extend(word for segment in found for word in segment.words)
        return believed(found, self.everything)

    def shown(self) -> str:
        faces = sorted(self.known)
        return "\n".join(read_line(segment for segment in self.segments if segment.face == face) for face in faces)

    def warning(self) -> str | None:
        return guesses(self.segments, self.reader.name, self.everything)

    def each(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """The same; guesses are words outside of the reader's domain."""
        for own in sorted(self.segments, key=lambda segment: (segment.face, segment.start)):
            for word in own.words:
                yield own.face, word, own.outside_domain, self.everything or not own.outside_domain


def marked(words: Iterable[TimedWord]) -> str:
    """Words in a line; those that are more likely wrong than right with a question mark."""
    return " ".join(word.word if word.confidence >= LEAST else f"{word.word}(?)" for word in words)


def believed(segments: Iterable[Segment], everything: bool = False) -> list[TimedWord]:
    """The words that may shape a voice: those of segments in the reader's domain; or ``everything`` that was read."""
    return [word for segment in segments if everything or not segment.outside_domain for word in segment.words]


def read_line(segments: Iterable[Segment]) -> str:
    """What was read, in a line; guesses and words that are more likely wrong than right with a question mark."""
    each = ([replace(w, confidence=0.0) for w in own.words] if own.outside_domain else own.words for own in segments)
    return marked(word for words in each for word in words)


def guesses(segments: Iterable[Segment], reader: str, everything: bool = False) -> str | None:
    """The warning of words that were read outside of the reader's domain; None where there are none."""
    for warning in Transcript("", None, None, reader, tuple(segments)).warnings:
        shaped = "and shape the voice" if everything else f"and do not shape the voice (--text {READ_ALL} lets them)"
        return f"{warning['message']} {shaped}"
    return None


def open_text(
    loaded: LoadedVoice, given: str | None, options: FlowOptions, path: str | Path, faces: str | int = "largest"
) -> Text:
    """What ``--text`` asks for.

    Args:
        given: "read", "read!" (guesses shape the voice, too), "none", a file or the words themselves; None: `usual`.

    Raises:
        VsrError: no_listener, bad_options, bad_text, and of given words what their video is refused for.
    """
    given = resolved(loaded, usual(loaded, options) if given is None else given, options)
    if given == NONE:
        return Text()
    if given in (READ, READ_ALL):
        return ReadText(loaded.reader, given == READ_ALL)
    return given_text(loaded, words_in(given), path, faces)


def usual(loaded: LoadedVoice, flow: FlowOptions) -> str:
    """Where the words of a video come from if nobody says: read by a voice that has what that needs, else "none"."""
    return READ if loaded.has_listener and flow.steps else NONE


def resolved(loaded: LoadedVoice, given: str | None, flow: FlowOptions) -> str:
    """``given``, or "none" for None, as for cameras; checked. Raises VsrError no_listener, bad_options."""
    if given is None:
        return NONE
    if given != NONE:
        _ = loaded.listener
        if not flow.steps:
            raise VsrError("bad_options", "--text guides the steps of the flow, and --steps is 0")
    return given


def text_of(loaded: LoadedVoice, options: SynthesisOptions) -> str:
    """Where the words of a list come from: "read", "read!", "manifest" or "none". Raises VsrError as `resolved`."""
    return resolved(loaded, usual(loaded, options.flow) if options.text is None else options.text, options.flow)


def words_of_clips(loaded: LoadedVoice, clips: Sequence[Clip], crops: Sequence[np.ndarray], text: str):
    """For each clip of a list, whose crops (T, 96, 96) are given, what is said and when; of clips outside of the
    reader's domain nothing is known, but by "read!". Tracks of the mouth are read where the manifest names them.

    Raises VsrError bad_manifest for a track that cannot be read or is not as long as its crop.
    """
    if text not in (READ, READ_ALL):
        return [[Said(*word) for word in clip.words] if text == "manifest" else [] for clip in clips]
    from vsr.data.mouth_track import load_features
    from vsr.decoding.encoding import reads_tracks
    from vsr.inference.recognition import read_windows

    mouths = [load_features(clip) if clip.track else None for clip in clips] if reads_tracks(loaded.reader) else None
    edges = [np.arange(len(crop) + 1) / FPS for crop in crops]
    readings = read_windows(loaded.reader, list(crops), edges, options_for(loaded.reader), mouths)
    in_domain = [text == READ_ALL or not is_guess(own.in_domain) for own in readings]
    words = [own.hypotheses[0].words if known else () for own, known in zip(readings, in_domain, strict=True)]
    return [[Said(word.word, word.start, word.end, word.confidence) for word in own] for own in words]


def text_in(given: str) -> str:
    """The text of a file, or what was given itself. Raises VsrError bad_text."""
    try:
        return Path(given).read_text("utf-8") if len(given) < 1000 and Path(given).is_file() else given
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_text", f"{given} cannot be read as text: {error}") from error


def words_in(given: str) -> str:
    """The same in lower case, words with one space between. Raises VsrError bad_text."""
    return " ".join(text_in(given).lower().split())


def given_text(loaded: LoadedVoice, text: str, path: str | Path, faces: str | int) -> Text:
    """Words that are known, at the times at which the lips say them; they are taken as certain. Raises VsrError."""
    from vsr.inference.alignment import align_video

    if str(faces) not in ("largest", "1"):
        raise VsrError("bad_options", "--text with words is spoken by one face: leave out --faces, or use --text read")
    check_words(loaded, text)
    (segment,) = align_video(loaded.reader, path, text, faces).segments
    return Text({segment.face: [TimedWord(w.word, w.start, w.end, 1.0) for w in segment.words]})


def check_words(loaded: LoadedVoice, text: str) -> None:
    """Refuse words that the listener of a voice does not know. Raises VsrError bad_text, no_listener."""
    unknown = [word for word in text.split() if loaded.listener.class_of(word) is None]
    if unknown:
        raise VsrError("bad_text", f"the listener of this voice does not know {' '.join(unknown)!r}")


def said_between(words: Sequence[TimedWord], times: np.ndarray) -> list[Said]:
    """Of words with times in the video those that are said in some of its frames, whose times (T,) are given, in
    seconds after the first of these as 25 frames a second count them."""
    edges = frame_edges(times)
    frames = np.arange(len(edges))

    def place(seconds: float) -> float:
        return float(np.interp(seconds, edges, frames)) / FPS

    inside = (word for word in words if word.end > edges[0] and word.start < edges[-1])
    return [Said(word.word, place(word.start), place(word.end), word.confidence) for word in inside]
