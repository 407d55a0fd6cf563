"""Where the results of each video go: a file for each format and, while a long video is read, its journal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vsr.core.artifacts import CHANGED, KEPT, NEW, differences
from vsr.core.errors import CLIP_REASONS, VsrError
from vsr.core.files import check_writable, remove_leftovers, same_file, write_error, write_text
from vsr.decoding.provenance import video_of
from vsr.output.ledger import WRITTEN, Record, Written, about_files, note_files, place_of
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Transcript
from vsr.output.unsure import readable

LONGEST = 255  # bytes of a file's name
REPLACE = "give another -o, or --force to replace it"


@dataclass(frozen=True)
class Outputs:
    """The files of a folder. formats: names in `vsr.output.subtitles.WRITERS`; unsure: how words that are not to be
    believed are shown (`vsr.output.unsure.readable`), None for what is usual in each format."""

    folder: str
    formats: tuple[str, ...]
    unsure: str | None = None

    def prepare(self) -> None:
        """Try the folder: a path that cannot be written must not be found out after hours of reading.

        Raises VsrError not_writable.
        """
        check_writable(self.folder)

    def remove_leftovers(self, video: str) -> None:
        """Remove half-written files that a killed run left. Raises VsrError."""
        for path in (*self.targets(video), self.journal(video)):
            remove_leftovers(path)

    def target(self, video: str, name: str) -> Path:
        """The file of one format."""
        return Path(self.folder) / f"{Path(video).stem}.{name}"

    def targets(self, video: str) -> list[Path]:
        """The files of all formats."""
        return [self.target(video, name) for name in self.formats]

    def journal(self, video: str) -> Path:
        """What is finished of a long video that is not finished itself; its name is cut where it would be too long."""
        stem, end = os.fsencode(Path(video).stem), b".journal"
        if len(stem + end) > LONGEST:
            digest = hashlib.sha256(stem).hexdigest()[:8].encode()
            stem = stem[: LONGEST - len(end) - len(digest) - 1].decode("utf-8", "ignore").encode() + b"~" + digest
        return Path(self.folder) / os.fsdecode(stem + end)

    def check(self, video: str, written: Written, inputs: Container[str] = (), force: bool = False) -> None:
        """Refuse to replace what is read, and without ``force`` somebody else's file or another video's transcript.

        ``inputs``: real paths of all that the run reads. Raises VsrError exists, not_writable.
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
        if record is not None and record.complete and record.place != place_of(video) and not _shows(record, video):
            raise VsrError("exists", f"{target} is the transcript of another video than {video}; {REPLACE}")

    def state(self, video: str, made: dict, written: Written) -> str:
        """KEPT where an earlier run got to the end of just this, without an error; else NEW or why it is read again.

        ``made``: its `vsr.decoding.provenance`; without "video" where the video is gone. Raises OSError.
        """
        targets = self.targets(video)
        records = [record for target in targets if (record := written.of(target))]
        if self.journal(video).exists():
            return "not finished"
        if len(records) < len(targets):
            return CHANGED if all(target.is_file() for target in targets) else NEW
        if "video" not in made and any(record.place != place_of(video) for record in records):
            return NEW
        gone = {"video": records[0].video} if "video" not in made else {}
        if other := sorted({k for own in records for k in differences(own.made | {"video": own.video}, made | gone)}):
            return f"other {' and '.join(other)}"
        return KEPT if all(record.complete for record in records) else "not finished"

    def write(self, transcript: Transcript) -> None:
        """Write what is known of a video, each file whole or not at all. Of a file that failed there is the JSON, which
        says why, and what was read before; what an earlier run left of it is removed. The journal goes when there is
        nothing left to resume. Raises VsrError."""
        if self.unsure and transcript.provenance:
            transcript = replace(transcript, provenance=transcript.provenance | {"unsure": self.unsure})
        try:
            if transcript.error is None or transcript.segments:
                self._put(transcript, self.formats)
            elif not self._better(transcript):
                self._withdraw(transcript.file)
                self._put(transcript, [name for name in self.formats if name == "json"])
            if transcript.complete or (transcript.error and transcript.error[0] in CLIP_REASONS):
                self.journal(transcript.file).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(Path(self.folder) / Path(transcript.file).stem, error) from error

    def _put(self, transcript: Transcript, formats: Iterable[str]) -> None:
        """Write formats. The record of the files goes first: a kill leaves none that nothing is known of."""
        shown = {name: readable(transcript, name, self.unsure) for name in formats if name != "json"}
        texts = {name: WRITERS[name](own) for name, own in shown.items()}
        if "json" in formats:
            listed = {WRITTEN: about_files(self.target(transcript.file, "json"), transcript, texts)}
            whole = replace(transcript, provenance=(transcript.provenance or {}) | listed)
            texts = {"json": WRITERS["json"](whole)} | texts
        else:
            note_files(self.folder, transcript, {f"{Path(transcript.file).stem}.{n}": t for n, t in texts.items()})
        for name, text in texts.items():
            self._write(self.target(transcript.file, name), text)

    def _better(self, transcript: Transcript) -> bool:
        """Whether an earlier run's result is better than none: nothing was wrong with the video, or it is gone."""
        written = Written(self.folder)
        records = [record for record in map(written.of, self.targets(transcript.file)) if record and record.complete]
        if not os.path.exists(transcript.file):
            return any(record.place == place_of(transcript.file) for record in records)
        fault = transcript.error is not None and transcript.error[0] in CLIP_REASONS
        return not fault and any(_shows(own, transcript.file) for own in records)

    def _withdraw(self, video: str) -> None:
        """Remove what earlier runs wrote of a video that cannot be read any more; nobody else's files."""
        written = Written(self.folder)
        for target in [target for name in WRITERS if written.of(target := self.target(video, name))]:
            target.unlink(missing_ok=True)

    def _write(self, target: Path, text: str) -> None:
        try:
            write_text(target, text)
        except OSError as error:
            raise write_error(target, error) from error


def _shows(record: Record, video: str) -> bool:
    """Whether a transcript is that of the video as it is now."""
    return os.path.isfile(video) and record.video == video_of(video)
