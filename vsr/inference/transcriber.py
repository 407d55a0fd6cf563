"""Transcribe one video file: blocks, mouth crops, stretches of speech, words.

Times are seconds in the original video (`vsr.media.timestamps`), whatever its frame rate.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.core.windows import frame_edges
from vsr.data.modalities import SOUND
from vsr.decoding.defaults import options_for, preferred_window
from vsr.decoding.encoding import chosen_modality, mesh_for, usable_mouth_points
from vsr.decoding.options import DecodeOptions
from vsr.decoding.provenance import check_unchanged, provenance
from vsr.decoding.search import check_heads
from vsr.face.face_count import checked_face_count
from vsr.face.identity import People
from vsr.face.likeness import measure
from vsr.face.mouth_source import MouthSource, SelectedBlock
from vsr.face.speaker_selection import FaceSelector, Part, check_found, unread
from vsr.inference.assemble import segments_of, skipped_of, tracks_of
from vsr.inference.face_report import track_report
from vsr.inference.journal import Journal
from vsr.inference.listening import hearing_of, incomplete, transcribe_sound
from vsr.inference.recognition import read_windows
from vsr.inference.records import BlockRecord, WindowRecord
from vsr.media.damage import Hole, holes_message
from vsr.media.reader import probe
from vsr.media.resample import Position
from vsr.output.transcript import Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def transcribe(
    loaded: LoadedModel,
    path: str | Path,
    options: DecodeOptions | None = None,
    faces: str | int = "largest",
    journal: str | Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    modality: str = "",
) -> Transcript:
    """Read the lips in a video file, of any length.

    Args:
        loaded: model, tokenizer and config, of `vsr.modelstore.folder.load_model`.
        path: the video file.
        options: of the search (None: the model's own); `nbest` also sets the number of alternatives of each segment.
        faces: "largest" reads the largest face that speaks in each shot, a number that many of the largest, "all"
            every face.
        journal: file for the finished blocks of a long video; the caller removes it.
        resume: continue where the journal ends.
        watch: receives the progress of the run.
        modality: for an audio-visual model: "video", "sound" or "both"; "": all modalities of the model.

    Returns:
        The transcript, its segments ordered by start.

    Raises:
        VsrError: no_face, too_short, crop_out_of_frame, unreadable, no_video, bad_config or bad_journal; bad_model for
            errors that concern every file. For a truncated or damaged file, an `Incomplete` whose ``record`` is the
            `Transcript` of its readable part.
    """
    options = options or options_for(loaded)
    if chosen_modality(loaded, modality) == SOUND:
        return transcribe_sound(loaded, path, options)
    reading = Reading(loaded, path, options, faces, journal, resume, modality)
    try:
        return reading.run(watch or Watch())
    except VsrError as error:
        transcript = reading.transcript()
        if not transcript.segments:
            raise
        raise incomplete(transcript, error) from error


class Reading:
    """One video being read; `transcript` returns the result so far."""

    def __init__(
        self, loaded: LoadedModel, path, options: DecodeOptions, faces, journal=None, resume=False, modality: str = ""
    ):
        if not options.head:
            check_heads(loaded.model, options.method)
        self.loaded, self.path, self.options = loaded, path, options
        self.faces = checked_face_count(faces)
        self.info = probe(path)
        self.window = preferred_window(loaded)
        self.hearing = hearing_of(loaded, path, modality)
        self.provenance = self.hearing.with_modality(provenance(loaded, path, options, self.faces, self.info.stream))
        self.journal = Journal(journal, self._heading(), resume)

    def source(self, watch: Watch | None = None) -> MouthSource:
        """The blocks after those of the journal."""
        people = People()
        for block in self.journal.blocks:
            people.update(block.people)
        selector, begin = FaceSelector(self.faces, people, self._next_shot()), self._begin()
        mesh = mesh_for(self.loaded)
        return MouthSource(self.path, mesh=mesh, on_request=True, watch=watch, selector=selector, begin=begin)

    def _next_shot(self) -> int:
        """Number of the first shot in the block after the journal's last."""
        if not self.journal.blocks:
            return 0
        last = self.journal.blocks[-1]
        return last.first_shot + last.num_shots - (not last.cut)

    def _heading(self) -> dict:
        """The inputs of the result, to check that a journal fits."""
        config = zlib.crc32(repr(sorted(self.loaded.config.items())).encode())
        own = {"file": Path(self.path).name, "config": config, "window": self.window, "likeness": measure().name}
        return own | self.provenance

    def run(self, watch: Watch) -> Transcript:
        """Read to the end."""
        if not self.journal.finished:
            source = self.source(watch)
            for selected in source:
                block = replace(self._read_block(selected), holes=_holes_since(source.holes, selected.block.times))
                self.journal.add(block, last=source.broken is not None)
                if selected.block.next is not None:
                    watch.block(self.transcript())
        self._check()
        return self.transcript()

    def _begin(self) -> Position | None:
        """The position after the journal's last block; None: the start of the video."""
        return self.journal.blocks[-1].next if self.journal.blocks else None

    def transcript(self, error: tuple[str, str] | None = None) -> Transcript:
        """The transcript so far; with ``error``, of the part before it."""
        done, complete = self.journal.blocks, error is None and self.journal.finished
        duration, end = self.info.end, done[-1].end if done else 0.0
        if end > duration + 0.5:  # the duration in some containers is wrong
            duration = end
        return Transcript(
            str(self.path), self.info.fps, duration, self.loaded.name,
            segments_of(reading for block in done for reading in block.readings), error,
            tracks_of(track for block in done for track in block.tracks),
            skipped_of(stretch for block in done for stretch in block.skipped),
            tuple(time for block in done for time in block.shots), complete, self.provenance,
        )  # fmt: skip

    def _check(self) -> None:
        """Refuse a video without anything to read, or a damaged or unfinished one, with the reason."""
        check_unchanged(self.path, self.provenance["video"]["bytes"])
        blocks = self.journal.blocks
        if damaged := holes_message(hole for block in blocks for hole in block.holes):  # also in a resumed run
            raise VsrError("unreadable", f"{self.path}: {damaged}")
        self.hearing.check_whole()
        reasons = {stretch.reason for block in blocks for stretch in block.skipped}
        frames, tracks = sum(block.frames for block in blocks), sum(len(block.tracks) for block in blocks)
        check_found(self.path, frames, tracks, reasons, any(block.readings for block in blocks))

    def _read_block(self, selected: SelectedBlock) -> BlockRecord:
        """Read a block: everything that the output needs of it."""
        continues = bool(self.journal.blocks) and not self.journal.blocks[-1].cut
        block, parts = selected.block, selected.parts
        spans = [(part, *span) for part in parts for span in part.spans(self.window)]
        return BlockRecord(
            frames=len(block.times), end=float(frame_edges(block.times)[-1]), next=block.next,
            cut=block.cut, first_shot=selected.first_shot, num_shots=len(block.shots),
            shots=tuple(float(block.times[shot]) for shot in block.shots[continues:]),
            tracks=tuple(track_report(part) for part in parts),
            skipped=tuple(stretch for part in parts for stretch in unread(part)), readings=self._readings(spans),
            people=selected.people,
        )  # fmt: skip

    def _readings(self, spans: list[tuple[Part, int, int]]) -> tuple[WindowRecord, ...]:
        """Read spans (part, start, stop) in batches."""
        crops = [part.piece.crop[start:stop] for part, start, stop in spans]
        edges = [frame_edges(part.piece.times[start:stop]) for part, start, stop in spans]
        mouths = [usable_mouth_points(self.loaded, part.piece, [(start, stop)])[0] for part, start, stop in spans]
        waves = self.hearing.waves([part.piece.times[start:stop] for part, start, stop in spans])
        readings = read_windows(self.loaded, crops, edges, self.options, mouths, waves)
        rows = zip(spans, edges, readings, strict=True)
        return tuple(reading.of(part.face, span_edges) for (part, _, _), span_edges, reading in rows)


def _holes_since(holes: list[Hole], times: np.ndarray) -> tuple[Hole, ...]:
    """The holes of a damaged file that end in or after a block with frames at ``times`` (n,)."""
    return tuple(hole for hole in holes if hole[1] >= times[0])
