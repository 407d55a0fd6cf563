"""A report of the faces in a video: the parts that were not read, and how well the rest could be seen.

Verbs that work on windows of speech (`vsr.inference.speech.speech_windows`) fill it window by window, and give its
warnings in the words of transcripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges
from vsr.face.mouth_crop import MouthClip
from vsr.face.quality import LEAST, cropped_share, qualities, rate_quality
from vsr.face.skipped import FEW_FRAMES, Skipped
from vsr.face.speaker_selection import OUTSIDE, Part, unread
from vsr.inference.assemble import tracks_of
from vsr.output.mouth_warnings import AT_REST, covered_note, few_frames_warnings, skipped_warnings
from vsr.output.transcript import TrackReport, few_frames_of

SILENT = ("at_rest", "covered")  # reasons why no lips are seen to speak


@dataclass
class FaceReport:
    """The faces of a video.

    Args:
        skipped: parts that were not read.
        tracks: each face, when it was in the frame, and how well it could be seen.
        in_domain: probability that the reader knows such lips; None if it was not computed for the whole video.
        speaks: whether any lips speak.
        stream: the video stream that was read, of a file with several (`vsr.media.streams.report_stream_choice`).
    """

    skipped: list[Skipped] = field(default_factory=list)
    tracks: list[TrackReport] = field(default_factory=list)
    in_domain: float | None = None
    speaks: bool = False
    stream: dict | None = None

    def add(self, part: Part) -> None:
        """Add the next part of the video."""
        self.skipped += unread(part)
        self.speaks |= bool(part.speech)
        self.tracks.append(track_report(part))

    @property
    def warnings(self) -> list[dict]:
        """Reservations about the result, {"reason", "message"}, as transcripts have them."""
        return self.warnings_with("and is not read there", whole_video=False)

    def warnings_with(self, continuation: str, whole_video: bool = True) -> list[dict]:
        """The same; ``continuation`` ends the note on covered mouths. Of a whole video also that its lips rest."""
        skipped = skipped_warnings(self.skipped, whole_video and not self.speaks, continuation)
        return [*skipped, *few_frames_warnings(few_frames_of(tracks_of(self.tracks)))]

    def silence(self, path: str | Path) -> VsrError:
        """The error if no lips speak: covered or at_rest."""
        if note := covered_note(self.skipped):
            return VsrError("covered", f"{path}: {note}, and no lips are seen to speak elsewhere")
        return VsrError("at_rest", f"{path}: {AT_REST}")


def face_report_of(clip: MouthClip) -> FaceReport:
    """The report of a clip cut from a video as a whole."""
    report = FaceReport()
    if clip.piece is None:
        report.tracks.append(cropped_track_report(clip))
    else:
        report.add(Part(clip.piece, clip.face, None))
    return report


def track_report(part: Part) -> TrackReport:
    """How well the face of a part could be seen and cropped."""
    piece = part.piece
    outside = () if piece.inside_frame else (OUTSIDE,)
    return _report(part.face, piece.times, cropped_share(piece), qualities(piece), outside)


def cropped_track_report(clip: MouthClip) -> TrackReport:
    """The same for a video of a mouth alone, where only the frame rate can be judged."""
    return _report(clip.face, clip.times, 1.0, {FEW_FRAMES: rate_quality(clip.crop)})


def _report(
    face: int, times: np.ndarray, cropped: float, measures: dict[str, float], more: tuple[str, ...] = ()
) -> TrackReport:
    edges = frame_edges(times)
    problems = (*(name for name, value in measures.items() if value < LEAST), *more)
    return TrackReport(face, float(edges[0]), float(edges[-1]), cropped, min(measures.values()), problems)
