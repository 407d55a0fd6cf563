"""Transcripts: what was said, by whom and when; the result of transcription and the content of its JSON.

Times are seconds in the original video; confidences are in [0, 1]. Only light modules are imported, so that workers
and writers can exchange transcripts quickly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vsr.decoding.guesses import is_guess
from vsr.face.skipped import FEW_FRAMES, Skipped
from vsr.output.mouth_warnings import few_frames_warnings, not_chosen_warnings, skipped_warnings

NO_SOUND = "none"  # in the provenance of a video without sound that was to be read audio-visually


@dataclass(frozen=True)
class TimedWord:
    """A word with its start and end in seconds and the calibrated probability that it is right."""

    word: str
    start: float
    end: float
    confidence: float

    def to_json(self) -> dict:
        return {
            "word": self.word,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True)
class Alternative:
    """A hypothesis of a segment with its search score (a log-probability: higher is better)."""

    text: str
    score: float

    def to_json(self) -> dict:
        return {"text": self.text, "score": round(self.score, 4)}


@dataclass(frozen=True)
class Segment:
    """A segment of one face's speech.

    ``face`` is the number of the track, ``nbest[0]`` the hypothesis with the segment's words; ``in_domain`` is the
    probability that the lips look like the model's training data, None for a model without that calibration.
    """

    start: float
    end: float
    face: int
    confidence: float
    words: tuple[TimedWord, ...]
    nbest: tuple[Alternative, ...]
    in_domain: float | None = None

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)

    @property
    def outside_domain(self) -> bool:
        """Whether its words are guesses, because the lips do not look like the model's training data."""
        return is_guess(self.in_domain) and bool(self.words)

    def to_json(self) -> dict:
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "face": self.face,
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "in_domain": None if self.in_domain is None else round(self.in_domain, 4),
            "words": [word.to_json() for word in self.words],
            "nbest": [alternative.to_json() for alternative in self.nbest],
        }


@dataclass(frozen=True)
class TrackReport:
    """The track of a face from `start` to `end` seconds, within one shot: the share that could be cropped, its quality
    in [0, 1] and its problems ("small", "turned", "blurred", "dark", "few frames", "covered", "out of the picture")."""

    face: int
    start: float
    end: float
    cropped: float
    quality: float
    problems: tuple[str, ...]

    def to_json(self) -> dict:
        return {
            "face": self.face,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "cropped": round(self.cropped, 3),
            "quality": round(self.quality, 3),
            "problems": list(self.problems),
        }


def few_frames_of(tracks: Iterable[TrackReport]) -> list[tuple[float, float]]:
    """(start, end) in seconds of the tracks with too few frames per second to be read well."""
    return [(track.start, track.end) for track in tracks if FEW_FRAMES in track.problems]


@dataclass(frozen=True)
class Transcript:
    """The transcript of a file, or the reason why there is none.

    Attributes:
        file: the path as it was given.
        fps, duration: of the original video, frames/s and seconds; None where it could not be read.
        model: the model's name.
        segments: ordered by start.
        error: None, or (reason, message).
        tracks: faces with their times and quality; ordered by start.
        skipped: spans that were not read; ordered by start.
        shots: seconds at which shots begin.
        complete: False while a long video is being read.
        provenance: inputs, model and settings (`vsr.decoding.provenance`); None where no file was read.
    """

    file: str
    fps: float | None
    duration: float | None
    model: str
    segments: tuple[Segment, ...] = ()
    error: tuple[str, str] | None = None
    tracks: tuple[TrackReport, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    shots: tuple[float, ...] = ()
    complete: bool = True
    provenance: dict | None = None

    @property
    def faces(self) -> list[int]:
        return sorted({segment.face for segment in self.segments})

    @property
    def text(self) -> str:
        """The words of all segments; one line for each face."""
        lines = []
        for face in self.faces:
            texts = [segment.text for segment in self.segments if segment.face == face and segment.words]
            lines.append(" ".join(texts))
        return "\n".join(line for line in lines if line)

    @property
    def warnings(self) -> list[dict]:
        """Warnings about the reliability of the text: {"reason", "message"} each."""
        unread = not_chosen_warnings(self.skipped)
        return [*self._partly_read(), *self.visibility_warnings, *unread, *self._unheard(), *self._guessed()]

    @property
    def visibility_warnings(self) -> list[dict]:
        """The warnings about spans that were not read or are hard to read."""
        skipped = skipped_warnings(self.skipped, not self.segments, "and is not read there")
        return [*skipped, *few_frames_warnings(few_frames_of(self.tracks))]

    def _partly_read(self) -> list[dict]:
        """The error as a warning, where part of the video was read before it."""
        if self.error is None or not self.segments:
            return []
        return [{"reason": self.error[0], "message": self.error[1]}]

    def _unheard(self) -> list[dict]:
        provenance = self.provenance or {}
        if provenance.get("modality") != "both" or provenance.get("video", {}).get("sound") != NO_SOUND:
            return []
        return [{"reason": "no_sound", "message": "it has no sound: read by the lips alone"}]

    def _guessed(self) -> list[dict]:
        spoken = [segment for segment in self.segments if segment.words]
        seconds = sum(segment.end - segment.start for segment in spoken)
        outside = sum(segment.end - segment.start for segment in spoken if segment.outside_domain)
        if not outside:
            return []
        percent = 100 * outside / max(seconds, 1e-6)
        share = "less than 1 %" if percent < 1 else f"{percent:.0f} %"
        message = (
            f"{share} of what was read looks unlike what the model {self.model} was trained on: those words are guesses"
        )
        return [{"reason": "outside_domain", "message": message}]

    def to_json(self) -> dict:
        error = None if self.error is None else {"reason": self.error[0], "message": self.error[1]}
        return {
            "file": self.file,
            "fps": None if self.fps is None else round(self.fps, 4),
            "duration": None if self.duration is None else round(self.duration, 3),
            "model": self.model,
            "text": self.text,
            "segments": [segment.to_json() for segment in self.segments],
            "tracks": [track.to_json() for track in self.tracks],
            "skipped": [stretch.to_json() for stretch in self.skipped],
            "shots": [round(time, 3) for time in self.shots],
            "complete": self.complete,
            "warnings": self.warnings,
            "error": error,
            "provenance": self.provenance,
        }
