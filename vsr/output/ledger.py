"""What is known of the transcripts in a folder: which are ours, what they were made from, whether they are whole.

A file is known again by its hash. A JSON of ours identifies itself and of the files beside it; where no JSON is asked
for, the folder's ledger does (`vsr.core.artifacts`). What nothing is known of, or somebody changed since, is not ours.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from vsr.core.artifacts import LEDGER, append_records, records_in
from vsr.core.files import SURROGATES, read_json, write_text
from vsr.core.kinds import Kind
from vsr.output.transcript import Transcript

OWN = {"file", "segments", "tracks", "complete", "error", "provenance"}  # keys that a JSON of ours has
WRITTEN = "written"  # in the provenance of a JSON on disk: where its video is, and the hash of each file beside it
EARLIER = "earlier"  # of those, the files that an earlier run wrote, of nobody knows what any more


@dataclass(frozen=True)
class Record:
    """made: the `vsr.decoding.provenance` of a transcript; complete: it has all of its video; place: of the video."""

    made: dict
    complete: bool
    place: str

    @property
    def video(self) -> dict | None:
        """Which file was read, as `vsr.decoding.provenance.video_of` gives it; the rest hangs on that."""
        record = self.made.get("video")
        return record and {key: record.get(key) for key in ("bytes", "sha256")}


class Written:
    """The transcripts of a folder, as they are when they are asked for; the ledger as it was at the start."""

    def __init__(self, folder: str | Path):
        self.lines: dict[str, list[dict]] = {}
        for line in records_in(Path(folder) / LEDGER):  # the earlier ones, too: a kill may have left an earlier file
            self.lines.setdefault(line["name"], []).append(line)

    def of(self, target: Path) -> Record | None:
        """What is known of a file; None where it is not there or not ours. Raises OSError."""
        beside = _told(target.with_suffix(".json"))
        if target.suffix == ".json" or not target.is_file():
            return beside.record if beside and target.is_file() else None
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        if beside and digest in (beside.hashes.get(target.suffix[1:]), beside.text if _is_txt(target) else ""):
            return beside.record
        if beside and digest == beside.earlier.get(target.suffix[1:]):
            return replace(beside.record, made={})
        found = [line for line in self.lines.get(target.name, ()) if line["file"].get("sha256") == digest]
        return Record(found[-1]["made"], bool(found[-1].get("complete")), found[-1].get("place", "")) if found else None


def _is_txt(target: Path) -> bool:
    return target.suffix == ".txt"


class _Told(NamedTuple):
    """What a JSON of ours records: itself, and the hashes of the files beside it, by format, those that an earlier run
    has written, and that of its text: old ones have no other."""

    record: Record
    hashes: dict[str, str]
    earlier: dict[str, str]
    text: str


def _told(path: Path) -> _Told | None:
    try:
        found = read_json(path)
        if OWN - found.keys():
            return None
        made = dict(found["provenance"] or {})
        written = made.pop(WRITTEN, {})
        complete = found["error"] is None and bool(found["complete"])
        record = Record(made, complete, written.get("place") or place_of(found["file"]))
        hashes, earlier = dict(written.get("sha256", {})), dict(written.get(EARLIER, {}))
        return _Told(record, hashes, earlier, hash_of(found["text"] + "\n"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def about_files(json_path: Path, transcript: Transcript, texts: dict[str, str]) -> dict:
    """What a JSON is to record of the files beside it, format -> text: of them, and of those it recorded before."""
    place, hashes = place_of(transcript.file), {name: hash_of(text) for name, text in texts.items()}
    record: dict[str, Any] = {"place": place, "sha256": hashes}
    before = _told(json_path)
    if before and before.record.place == place:
        known = {name: own for name, own in (before.earlier | before.hashes).items() if name not in hashes}
        record |= {EARLIER: known} if known else {}
    return record


def place_of(video: str | Path) -> str:
    """Where a video is, without telling it."""
    return hashlib.sha256(os.fsencode(os.path.abspath(video))).hexdigest()[:16]


def hash_of(text: str) -> str:
    """The SHA-256 of the file that `vsr.core.files.write_text` makes of a text."""
    return hashlib.sha256(text.encode("utf-8", SURROGATES)).hexdigest()


def note_files(folder: str | Path, transcript: Transcript, texts: dict[str, str]) -> None:
    """Note in the ledger what files, name -> text, are about to be written. Raises VsrError."""
    facts: dict[str, Any] = {"made": transcript.provenance or {}, "place": place_of(transcript.file)}
    facts["complete"] = transcript.complete and transcript.error is None
    append_records(folder, ({"name": name, "file": {"sha256": hash_of(text)}} | facts for name, text in texts.items()))


def write_noted(path: str | Path, transcript: Transcript, text: str) -> None:
    """Write the ``text`` of a transcript to a file that the user named, so that it is known again. Raises VsrError."""
    path = Path(path)
    if path.suffix != ".json":  # a JSON of ours says itself what it is
        note_files(str(path.parent), transcript, {path.name: text})
    write_text(path, text)


TRANSCRIPT = Kind(
    "a transcript as vsr wrote it (somebody else's, or changed since)",
    lambda path: Written(path.parent).of(path) is not None,
)
