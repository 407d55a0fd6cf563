"""Where the results of each video go: a file for each format and, while a long video is read, its journal."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from vsr.errors import CLIP_REASONS, VsrError
from vsr.files import read_json, remove_leftovers, write_text
from vsr.subtitles import WRITERS
from vsr.transcript import Transcript


@dataclass(frozen=True)
class Outputs:
    """The files of a folder. formats: names in `vsr.subtitles.WRITERS`."""

    folder: str
    formats: tuple[str, ...]

    def prepare(self) -> None:
        """Make the folder and try it: a path that cannot be written must not be found out after hours of reading."""
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise VsrError("not_writable", f"cannot write to {self.folder}: {error.strerror}") from error

    def remove_leftovers(self, video: str) -> None:
        """Remove half-written files that a killed run left."""
        for path in (*(self.target(video, name) for name in self.formats), self.journal(video)):
            remove_leftovers(path)

    def target(self, video: str, name: str) -> Path:
        """The file of one format."""
        return Path(self.folder) / f"{Path(video).stem}.{name}"

    def journal(self, video: str) -> Path:
        """What is finished of a long video that is not finished itself."""
        return self.target(video, "journal")

    def finished(self, video: str) -> bool:
        """Whether an earlier run got to the end of the video, without an error that its JSON tells."""
        there = all(self.target(video, name).is_file() for name in self.formats) and not self.journal(video).exists()
        return there and not ("json" in self.formats and self._failed(video))

    def _failed(self, video: str) -> bool:
        try:
            return read_json(self.target(video, "json"))["error"] is not None
        except (ValueError, LookupError, TypeError):
            return True

    def write(self, transcript: Transcript) -> None:
        """Write what is known of a video, each file whole or not at all; of a file that failed only the JSON, which
        says why. The journal goes when there is nothing left to resume. Raises VsrError."""
        for name in self.formats:
            if transcript.error is None or name == "json":
                self._write(self.target(transcript.file, name), WRITERS[name](transcript))
        if transcript.complete or (transcript.error and transcript.error[0] in CLIP_REASONS):
            self.journal(transcript.file).unlink(missing_ok=True)

    def _write(self, target: Path, text: str) -> None:
        try:
            write_text(target, text)
        except OSError as error:
            raise VsrError("not_writable", f"cannot write {target}: {error.strerror}") from error
