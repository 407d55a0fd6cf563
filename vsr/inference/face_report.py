"""How the faces of a video were seen: what was not read, and how well the rest was.

Verbs that read windows (`vsr.inference.speech.spoken`) know it as these go by, and tell it as transcripts do.
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
class Seen:
    """skipped: what was not read; tracks: who was in the frame when, and how well; in_domain: the chance that the
    reader knows such lips, where that was asked for all of them, and not of what was found; speaks: whether any lips
    do; stream: which video of a file with several was looked at (`vsr.media.streams.report_stream_choice`)."""

    skipped: list[Skipped] = field(default_factory=list)
    tracks: list[TrackReport] = field(default_factory=list)
    in_domain: float | None = None
    speaks: bool = False
    stream: dict | None = None

    def take(self, part: Part) -> None:
        """Note the next part of the video."""
        self.skipped += unread(part)
        self.speaks |= bool(part.speech)
        self.tracks.append(report_of(part))

    @property
    def warnings(self) -> list[dict]:
        """{"reason", "message"} of what must be known before the result is believed, as transcripts have them."""
        return self.told("and is not read there", whole=False)

    def told(self, there: str, whole: bool = True) -> list[dict]:
        """The same, where ``there`` goes on about covered mouths; of a ``whole`` video also that its lips rest."""
        skipped = skipped_warnings(self.skipped, whole and not self.speaks, there)
        return [*skipped, *few_frames_warnings(few_frames_of(tracks_of(self.tracks)))]

    def silence(self, path: str | Path) -> VsrError:
        """Why there is nothing to work on, where no lips are seen to speak: covered or at_rest."""
        if note := covered_note(self.skipped):
            return VsrError("covered", f"{path}: {note}, and no lips are seen to speak elsewhere")
        return VsrError("at_rest", f"{path}: {AT_REST}")


def seen_in(clip: MouthClip) -> Seen:
    """How the face of a clip that was taken from a video as a whole was seen."""
    found = Seen()
    if clip.piece is None:
        found.tracks.append(report_of_cropped(clip))
    else:
        found.take(Part(clip.piece, clip.face, None))
    return found


def report_of(part: Part) -> TrackReport:
    """How well a face could be seen and cropped."""
    piece = part.piece
    outside = () if piece.inside_frame else (OUTSIDE,)
    return _report(part.face, piece.times, cropped_share(piece), qualities(piece), outside)


def report_of_cropped(clip: MouthClip) -> TrackReport:
    """The same of a video of a mouth alone, of which less can be told."""
    return _report(clip.face, clip.times, 1.0, {FEW_FRAMES: rate_quality(clip.crop)})


def _report(
    face: int, times: np.ndarray, cropped: float, measures: dict[str, float], more: tuple[str, ...] = ()
) -> TrackReport:
    edges = frame_edges(times)
    problems = (*(name for name, value in measures.items() if value < LEAST), *more)
    return TrackReport(face, float(edges[0]), float(edges[-1]), cropped, min(measures.values()), problems)
