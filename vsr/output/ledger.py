"""Records the transcripts in a folder: which files vsr wrote, from what inputs, and whether they are complete.

Files are identified by their hash. A JSON transcript records itself and the files beside it; without a JSON, the
folder's ledger does (`vsr.core.artifacts`). Files without a record, or changed since, are not ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from vsr.core.artifacts import LEDGER, append_records, records_in
from vsr.core.file_kinds import FileKind
from vsr.core.files import SURROGATES, read_json, write_text
from vsr.core.one_output import path_hash
from vsr.output.transcript import Transcript

OWN = {"file", "segments", "tracks", "complete", "error", "provenance"}  # keys of a JSON written by vsr
WRITTEN = "written"  # in the provenance of a JSON on disk: place of its video, and the hash of each file beside it
EARLIER = "earlier"  # in WRITTEN: files that an earlier run wrote, whose inputs are no longer known


@dataclass(frozen=True)
class Record:
    """Record of a file. made: `vsr.decoding.provenance` of the transcript; complete: whether it covers the whole video;
    place: of the video."""

    made: dict
    complete: bool
    place: str

    @property
    def video(self) -> dict | None:
        """Identity of the video that was read, as in `vsr.core.one_output.content_of`."""
        record = self.made.get("video")
        return record and {key: record.get(key) for key in ("bytes", "sha256")}


class WrittenTranscripts:
    """The transcripts of a folder; files are examined on access, the ledger is read at the start."""

    def __init__(self, folder: str | Path):
        self.lines: dict[str, list[dict]] = {}
        for line in records_in(Path(folder) / LEDGER):  # earlier ones too: a killed run may have left an earlier file
            self.lines.setdefault(line["name"], []).append(line)

    def of(self, target: Path) -> Record | None:
        """The record of a file; None where it does not exist or is not ours. Raises OSError."""
        json_file = _written_record(target.with_suffix(".json"))
        if target.suffix == ".json" or not target.is_file():
            return json_file.record if json_file and target.is_file() else None
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        if json_file and digest in (json_file.hashes.get(target.suffix[1:]), json_file.text if _is_txt(target) else ""):
            return json_file.record
        if json_file and digest == json_file.earlier.get(target.suffix[1:]):
            return replace(json_file.record, made={})
        lines = [line for line in self.lines.get(target.name, ()) if line["file"].get("sha256") == digest]
        return Record(lines[-1]["made"], bool(lines[-1].get("complete")), lines[-1].get("place", "")) if lines else None


def _is_txt(target: Path) -> bool:
    return target.suffix == ".txt"


class _Told(NamedTuple):
    """Content of a JSON written by vsr: its record, the hashes of the files beside it by format, those of files of an
    earlier run, and the hash of its text, which is all that old versions have."""

    record: Record
    hashes: dict[str, str]
    earlier: dict[str, str]
    text: str


def _written_record(path: Path) -> _Told | None:
    try:
        content = read_json(path)
        if OWN - content.keys():
            return None
        provenance = dict(content["provenance"] or {})
        written = provenance.pop(WRITTEN, {})
        complete = content["error"] is None and bool(content["complete"])
        record = Record(provenance, complete, written.get("place") or path_hash(content["file"]))
        hashes, earlier = dict(written.get("sha256", {})), dict(written.get(EARLIER, {}))
        return _Told(record, hashes, earlier, hash_of(content["text"] + "\n"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def about_files(json_path: Path, transcript: Transcript, texts: dict[str, str]) -> dict:
    """The record for a JSON of the files beside it (``texts``: format -> text), and of those recorded before."""
    video_place, hashes = path_hash(transcript.file), {name: hash_of(text) for name, text in texts.items()}
    record: dict[str, Any] = {"place": video_place, "sha256": hashes}
    previous = _written_record(json_path)
    if previous and previous.record.place == video_place:
        earlier = {name: digest for name, digest in (previous.earlier | previous.hashes).items() if name not in hashes}
        record |= {EARLIER: earlier} if earlier else {}
    return record


def hash_of(text: str) -> str:
    """The SHA-256 of the file that `vsr.core.files.write_text` writes for a text."""
    return hashlib.sha256(text.encode("utf-8", SURROGATES)).hexdigest()


def record_files(folder: str | Path, transcript: Transcript, texts: dict[str, str]) -> None:
    """Record in the ledger the files (name -> text) that are about to be written. Raises VsrError."""
    facts: dict[str, Any] = {"made": transcript.provenance or {}, "place": path_hash(transcript.file)}
    facts["complete"] = transcript.complete and transcript.error is None
    append_records(folder, ({"name": name, "file": {"sha256": hash_of(text)}} | facts for name, text in texts.items()))


def write_recorded(path: str | Path, transcript: Transcript, text: str) -> None:
    """Write the ``text`` of a transcript to a file that the user named, and record it. Raises VsrError."""
    path = Path(path)
    if path.suffix != ".json":  # a JSON identifies itself
        record_files(str(path.parent), transcript, {path.name: text})
    write_text(path, text)


TRANSCRIPT = FileKind(
    "a transcript as vsr wrote it (somebody else's, or changed since)",
    lambda path: WrittenTranscripts(path.parent).of(path) is not None,
)
