"""One video file -> its transcript: blocks of mouth crops, whose lips are read, stretches of speech, their words.

Times are seconds in the original video, whatever its frame rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.assemble import segments_of, shots_of, skipped_of, tracks_of
from vsr.clock import FPS
from vsr.decode.beam import check_heads
from vsr.decode.options import DecodeOptions
from vsr.errors import VsrError
from vsr.journal import Journal
from vsr.progress import Watch
from vsr.recognise import frame_edges, hypothesis_record, preferred_window, read_windows
from vsr.transcript import Transcript
from vsr.video.detector import default_detector
from vsr.video.grid import Position
from vsr.video.people import People
from vsr.video.piece import MIN_FRAMES, Piece
from vsr.video.quality import LEAST, cropped_share, qualities
from vsr.video.reader import frames_from, probe
from vsr.video.segment import activity, spans_of, speech_and_rest
from vsr.video.stream import Block, blocks

if TYPE_CHECKING:
    from vsr.hub import LoadedModel

MIN_SEEN = 0.5  # share of its frames in which a bystander must be found: less is a phantom


def transcribe(
    loaded: LoadedModel,
    path,
    options: DecodeOptions | None = None,
    faces: str | int = "largest",
    journal: str | Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
) -> Transcript:
    """Read the lips in a video file, of any length.

    Args:
        loaded: model, tokenizer and config, of `vsr.hub.load_model`.
        path: the video file.
        options: of the search; `nbest` also sets how many alternatives each segment carries.
        faces: "largest" reads the face that fills most of the picture in each shot, a number so many of them, "all"
            every face.
        journal: file that keeps what is finished of a video of several blocks; whoever gives it removes it.
        resume: go on where the journal ends.
        watch: told how the run goes.

    Returns:
        The transcript, its segments ordered by start.

    Raises:
        VsrError: no_face, too_short, crop_out_of_frame, unreadable, no_video, bad_config or bad_journal; bad_model for
            what no file could survive.
    """
    return Reading(loaded, path, options or DecodeOptions(), faces, journal, resume).run(watch or Watch())


class Reading:
    """One video being read; `transcript` tells what is known so far."""

    def __init__(self, loaded: LoadedModel, path, options: DecodeOptions, faces, journal=None, resume=False):
        check_heads(loaded.model, options.method)
        self.loaded, self.path, self.options = loaded, path, options
        self.faces = _number_of_faces(faces)
        self.info = probe(path)
        self.window = preferred_window(loaded)
        self.people = People()
        self.journal = Journal(journal, self._heading(), resume)
        for block in self.journal.blocks:
            self.people.update(block["people"])

    def _heading(self) -> dict:
        """What the result depends on."""
        config = zlib.crc32(repr(sorted(self.loaded.config.items())).encode())
        size = Path(self.path).stat().st_size
        return {
            "file": Path(self.path).name, "size": size, "model": self.loaded.name, "config": config,
            "options": asdict(self.options), "faces": self.faces, "window": self.window,
        }  # fmt: skip

    def run(self, watch: Watch) -> Transcript:
        """Read to the end."""
        if not self.journal.finished:
            begin = self._begin()
            frames = self._watched(frames_from(self.path, begin), watch)
            for block in blocks(frames, default_detector()):
                self.journal.add(self._read_block(block))
                if block.next is not None:
                    watch.block(self.transcript())
        self._check()
        return self.transcript()

    def _watched(self, frames: Iterable[tuple], watch: Watch) -> Iterator[tuple]:
        for count, (frame, place) in enumerate(frames):
            if count % FPS == 0:
                watch.progress(self.path, place.time, self.info.duration)
            yield frame, place

    def _begin(self) -> Position | None:
        """Where to go on."""
        return Position(*self.journal.blocks[-1]["next"]) if self.journal.blocks else None

    def transcript(self, error: tuple[str, str] | None = None) -> Transcript:
        """What is known so far; with an error, before it."""
        done, complete = self.journal.blocks, error is None and self.journal.finished
        duration, end = self.info.duration, done[-1]["end"] if done else 0.0
        if end > duration + 0.5:  # not every container knows how long it is
            duration = end
        return Transcript(
            str(self.path), self.info.fps, duration, self.loaded.name, segments_of(done), error,
            tracks_of(done), skipped_of(done), shots_of(done), complete,
        )  # fmt: skip

    def _check(self) -> None:
        """Refuse a video in which there was nothing to read, with the reason."""
        done = self.journal.blocks
        count = sum(block["frames"] for block in done)
        if count < MIN_FRAMES:
            raise VsrError("too_short", f"{self.path}: {count} frame(s) at 25 fps, at least {MIN_FRAMES} needed")
        if not any(block["tracks"] for block in done):
            raise VsrError("no_face", f"{self.path}: no face is seen for {MIN_FRAMES} frames (half a second)")
        reasons = {stretch["reason"] for block in done for stretch in block["skipped"]}
        if reasons == {OUTSIDE} and not any(block["readings"] for block in done):
            raise VsrError("crop_out_of_frame", f"{self.path}: the mouth is outside the picture")

    def _read_block(self, block: Block) -> dict:
        """Everything about a block that the output needs, as plain JSON."""
        before = self.journal.blocks[-1] if self.journal.blocks else None
        goes_on = before is not None and not before["cut"]
        first_shot = 0 if before is None else before["first_shot"] + before["num_shots"] - goes_on
        known = {person.face: person.to_json() for person in self.people.persons}
        labels = self.people.label(block.pieces, first_shot)
        skipped, spans = [], []
        for piece, face, reason in _choose(block.pieces, labels, self.faces):
            speech, rests = speech_and_rest(active := activity(piece.points)) if reason is None else ([], [])
            whole = [] if reason is None else [_stretch(piece, face, 0, len(piece.crop), reason)]
            skipped += whole + [_stretch(piece, face, *rest, "rest") for rest in rests]
            spans += [(piece, face, *span) for part in speech for span in spans_of(active, *part, self.window)]
        people = [person.to_json() for person in self.people.persons]
        return {
            "frames": len(block.times), "end": float(frame_edges(block.times)[-1]), "next": _place(block.next),
            "cut": block.cut, "first_shot": first_shot, "num_shots": len(block.shots),
            "shots": [float(block.times[shot]) for shot in block.shots[goes_on:]],
            "tracks": [_report(piece, face) for piece, face in zip(block.pieces, labels, strict=True)],
            "skipped": skipped, "readings": self._readings(spans),
            "people": [person for person in people if person != known.get(person["face"])],
        }  # fmt: skip

    def _readings(self, spans: list[tuple[Piece, int, int, int]]) -> list[dict]:
        """Read spans (piece, face, start, stop), several at a time."""
        crops = [piece.crop[start:stop] for piece, _, start, stop in spans]
        found = read_windows(self.loaded, crops, [frame_edges(p.times[a:b]) for p, _, a, b in spans], self.options)
        return [
            {"face": face, "start": float(piece.times[a]), "end": float(frame_edges(piece.times[a:b])[-1]),
             "hypotheses": [hypothesis_record(words, score) for words, score in reading]}
            for (piece, face, a, b), reading in zip(spans, found, strict=True)
        ]  # fmt: skip


OUTSIDE = "out of the picture"


def _number_of_faces(faces: str | int) -> int | None:
    """How many faces are read in each shot; None for all."""
    number = {"largest": 1, "all": None}.get(faces, faces)
    if number is not None and (not isinstance(number, int) or number < 1):
        raise VsrError("bad_config", f"faces is {faces!r}; it can be 'largest', 'all' or a number from 1 on")
    return number


def _place(position: Position | None) -> list | None:
    return None if position is None else [position.start, position.index]


def _choose(pieces: list[Piece], labels: list[int], number: int | None) -> Iterator[tuple[Piece, int, str | None]]:
    """(piece, face, why it is not read or None): in each shot the faces that fill most of the picture."""
    weights: dict[tuple[int, int], float] = {}
    for piece, face in zip(pieces, labels, strict=True):
        clear = piece.inside_picture and piece.found >= MIN_SEEN
        weights[piece.shot, face] = weights.get((piece.shot, face), 0.0) + piece.weight * (1.0 if clear else 1e-9)
    for piece, face in zip(pieces, labels, strict=True):
        rank = sum(shot == piece.shot and weight > weights[shot, face] for (shot, _), weight in weights.items())
        reasons = {
            OUTSIDE: not piece.inside_picture,
            "not chosen": number is not None and rank >= number,
            "hardly seen": rank > 0 and piece.found < MIN_SEEN,
        }
        yield piece, face, next((reason for reason, applies in reasons.items() if applies), None)


def _stretch(piece: Piece, face: int, start: int, stop: int, reason: str) -> dict:
    times = frame_edges(piece.times)
    return {"face": face, "start": float(times[start]), "end": float(times[stop]), "reason": reason}


def _report(piece: Piece, face: int) -> dict:
    """How well a piece could be cropped, for `vsr.transcript.TrackReport`."""
    measures = qualities(piece)
    problems = [name for name, value in measures.items() if value < LEAST]
    problems += [] if piece.inside_picture else [OUTSIDE]
    edges = frame_edges(piece.times)
    return {
        "face": face, "start": float(edges[0]), "end": float(edges[-1]), "cropped": cropped_share(piece),
        "quality": min(measures.values()), "problems": problems,
    }  # fmt: skip
