"""Writes the transcripts of videos to files, one for each format, without overwriting files that vsr did not write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vsr.core.artifacts import CHANGED, KEPT, NEW, differences
from vsr.core.errors import CLIP_REASONS, VsrError
from vsr.core.files import check_writable, remove_leftovers, same_file, write_error, write_text
from vsr.core.one_output import content_of, is_of_another, path_hash
from vsr.output.ledger import WRITTEN, Record, WrittenTranscripts, about_files, record_files
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Transcript
from vsr.output.unsure_words import readable

LONGEST = 255  # bytes of a file name
REPLACE = "give another -o, or --force to replace it"


@dataclass(frozen=True)
class Outputs:
    """The output files of a folder. formats: names in `vsr.output.subtitles.WRITERS`; unsure: how uncertain words are
    shown (`vsr.output.unsure_words.readable`), None for the default of each format."""

    folder: str
    formats: tuple[str, ...]
    unsure: str | None = None

    def prepare(self) -> None:
        """Check that the folder can be written, so that a bad path fails before hours of reading.

        Raises VsrError not_writable.
        """
        check_writable(self.folder)

    def remove_leftovers(self, video: str) -> None:
        """Remove partial files that a killed run has left. Raises VsrError."""
        for path in (*self.targets(video), self.journal(video)):
            remove_leftovers(path)

    def target(self, video: str, name: str) -> Path:
        """The file of one format."""
        return Path(self.folder) / f"{Path(video).stem}.{name}"

    def targets(self, video: str) -> list[Path]:
        """The files of all formats."""
        return [self.target(video, name) for name in self.formats]

    def journal(self, video: str) -> Path:
        """The journal of a long video, with the parts finished so far; a name that is too long is shortened."""
        stem, end = os.fsencode(Path(video).stem), b".journal"
        if len(stem + end) > LONGEST:
            digest = hashlib.sha256(stem).hexdigest()[:8].encode()
            stem = stem[: LONGEST - len(end) - len(digest) - 1].decode("utf-8", "ignore").encode() + b"~" + digest
        return Path(self.folder) / os.fsdecode(stem + end)

    def check(self, video: str, written: WrittenTranscripts, inputs: Container[str] = (), force: bool = False) -> None:
        """Refuse to replace an input, and without ``force`` a file of others or the transcript of another video.

        ``inputs``: real paths of all inputs of the run. Raises VsrError exists, not_writable.
        """
        for target in self.targets(video):
            try:
                if same_file(target, video) or os.path.realpath(target) in inputs:
                    raise VsrError("exists", f"{target} is what is read, and would be replaced: give another -o")
                if not force and os.path.lexists(target):
                    self._check_ours(target, written.of(target), video)
            except OSError as error:
                raise write_error(target, error) from error

    def _check_ours(self, target: Path, record: Record | None, video: str) -> None:
        if record is None and not self.journal(video).exists():
            problem = "is there, and vsr did not write it, or somebody changed it since: it is left as it is"
            raise VsrError("exists", f"{target} {problem}; {REPLACE}")
        if record is not None and record.complete and is_of_another(record.place, record.video, video):
            raise VsrError("exists", f"{target} is the transcript of another video than {video}; {REPLACE}")

    def state(self, video: str, provenance: dict, written: WrittenTranscripts) -> str:
        """KEPT where an earlier run with the same inputs finished without error; else NEW, or why it must be repeated.

        ``provenance``: its `vsr.decoding.provenance`; without "video" where the video no longer exists. Raises OSError.
        """
        targets = self.targets(video)
        records = [record for target in targets if (record := written.of(target))]
        if self.journal(video).exists():
            return "not finished"
        if len(records) < len(targets):
            return CHANGED if all(target.is_file() for target in targets) else NEW
        if "video" not in provenance and any(record.place != path_hash(video) for record in records):
            return NEW
        past_video = {"video": records[0].video} if "video" not in provenance else {}
        if changed := sorted(
            {
                key
                for record in records
                for key in differences(record.made | {"video": record.video}, provenance | past_video)
            }
        ):
            return f"other {' and '.join(changed)}"
        return KEPT if all(record.complete for record in records) else "not finished"

    def write(self, transcript: Transcript) -> None:
        """Write the transcript of a video, each file completely or not at all. For a video that failed only the JSON
        is written, with the error, unless segments were read; files of earlier runs are removed. The journal is deleted
        when nothing is left to resume. Raises VsrError."""
        if self.unsure and transcript.provenance:
            transcript = replace(transcript, provenance=transcript.provenance | {"unsure": self.unsure})
        try:
            if transcript.error is None or transcript.segments:
                self._write_formats(transcript, self.formats)
            elif not self._keeps_earlier(transcript):
                self._withdraw(transcript.file)
                self._write_formats(transcript, [name for name in self.formats if name == "json"])
            if transcript.complete or (transcript.error and transcript.error[0] in CLIP_REASONS):
                self.journal(transcript.file).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(Path(self.folder) / Path(transcript.file).stem, error) from error

    def _write_formats(self, transcript: Transcript, formats: Iterable[str]) -> None:
        """Write the files of some formats; their record is written first, so that every file of a killed run is known
        to be ours."""
        transcripts = {name: readable(transcript, name, self.unsure) for name in formats if name != "json"}
        texts = {name: WRITERS[name](written) for name, written in transcripts.items()}
        if "json" in formats:
            files = {WRITTEN: about_files(self.target(transcript.file, "json"), transcript, texts)}
            recorded = replace(transcript, provenance=(transcript.provenance or {}) | files)
            texts = {"json": WRITERS["json"](recorded)} | texts
        else:
            record_files(
                self.folder,
                transcript,
                {f"{Path(transcript.file).stem}.{suffix}": content for suffix, content in texts.items()},
            )
        for name, text in texts.items():
            self._write(self.target(transcript.file, name), text)

    def _keeps_earlier(self, transcript: Transcript) -> bool:
        """Whether to keep an earlier run's result: the error is not a fault of the video, or the video is gone."""
        written = WrittenTranscripts(self.folder)
        records = [record for record in map(written.of, self.targets(transcript.file)) if record and record.complete]
        if not os.path.exists(transcript.file):
            return any(record.place == path_hash(transcript.file) for record in records)
        is_bad_video = transcript.error is not None and transcript.error[0] in CLIP_REASONS
        return not is_bad_video and any(_shows(record, transcript.file) for record in records)

    def _withdraw(self, video: str) -> None:
        """Remove the files that earlier runs wrote for a video that can no longer be read; not those of others."""
        written = WrittenTranscripts(self.folder)
        for target in [target for name in WRITERS if written.of(target := self.target(video, name))]:
            target.unlink(missing_ok=True)

    def _write(self, target: Path, text: str) -> None:
        try:
            write_text(target, text)
        except OSError as error:
            raise write_error(target, error) from error


def _shows(record: Record, video: str) -> bool:
    """Whether a transcript was made from the video in its current state."""
    return os.path.isfile(video) and record.video == content_of(video)
