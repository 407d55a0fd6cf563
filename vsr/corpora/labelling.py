"""Transcribes recordings with a local recogniser and writes a manifest.

`<out>/labels.jsonl` has a line per recording, appended when it is done: its clips with confidence, language, and what
was left out and why. At the end come `<out>/manifest.jsonl` with the clips that are kept, and `<out>/counts.json`. A
killed run resumes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from vsr.core.artifacts import digest_of, essence, identify
from vsr.core.errors import VsrError
from vsr.core.files import check_output, made_folder, write_error, write_json
from vsr.core.machine import processes_for
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.corpora.recogniser_labels import Rules, labels_of
from vsr.data.manifest import Clip, write_manifest
from vsr.data.own_list import check_ids_of_list
from vsr.media.whisper import WEIGHTS, FasterWhisper

LABELS, MANIFEST, COUNTS = "labels.jsonl", "manifest.jsonl", "counts.json"
VERSION = 2  # of labels: raised whenever the same recording gets other labels
MEMORY = 1_500_000_000  # bytes that a process takes with a small model


@dataclass(frozen=True)
class LabelSettings:
    """The recogniser and the rules for its labels. folder: of Whisper in CTranslate2's format."""

    folder: str
    rules: Rules = Rules()

    def digest(self) -> str:
        """A short hash of everything but the recording that labels depend on."""
        weights = identify(Path(self.folder) / WEIGHTS)
        return digest_of({"weights": essence(weights), "rules": asdict(self.rules), "way": VERSION})


def label_recordings(
    clips: Sequence[Clip], out: str | Path, settings: LabelSettings, jobs: int | None = None
) -> Counter:
    """Label every recording; returns counts of "kept" clips, of clips left out by reason, and of recordings that failed
    by reason.

    Raises VsrError bad_asr for a folder without Whisper; not_writable for a folder with other files, or with labels of
    other settings.
    """
    out, digest = Path(out), _checked(settings)
    done = _done(out, clips, digest)
    todo = [clip for clip in clips if clip.id not in done]
    records = _transcribed(todo, settings, jobs)
    for record in count_items(records, "recordings", len(clips), len(clips) - len(todo)):
        _append(out / LABELS, record | {"made": digest})
        done[record["id"]] = record
    return _write(out, [done[clip.id] for clip in clips])


def _checked(settings: LabelSettings) -> str:
    """The digest of the settings, after checking that the recogniser can be opened. Raises VsrError."""
    if not (Path(settings.folder) / WEIGHTS).is_file():
        raise VsrError("bad_asr", f"{settings.folder}: no Whisper of CTranslate2 there (it has no {WEIGHTS})")
    _opened(settings.folder)
    return settings.digest()


def _done(out: Path, clips: Sequence[Clip], digest: str) -> dict[str, dict]:
    """Records that an earlier run made of the same recordings. Raises VsrError."""
    for name in (LABELS, MANIFEST, COUNTS):
        check_output(out / name, *(clip.video for clip in clips))
    if not (out / LABELS).is_file():
        if (out / MANIFEST).exists():
            raise VsrError("not_writable", f"{out / MANIFEST} exists already: choose another --out")
        return {}
    by_id = {clip.id: clip for clip in clips}
    records = {}
    before = list(_records(out / LABELS))
    check_ids_of_list(out / LABELS, [record["id"] for record in before], by_id)
    for record in before:
        if record.get("made") != digest:
            raise VsrError("not_writable", f"{out} holds labels of other settings: choose another --out")
        clip = by_id.get(record["id"])
        if clip and essence(record["source"]) == essence(_source(clip, record["source"])):
            records[clip.id] = record
    return records


def _records(path: Path) -> Iterator[dict]:
    """The complete lines of labels; a line cut short by a kill is skipped."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
            if isinstance(record, dict) and {"id", "source", "labels"} <= record.keys():
                yield record
        except ValueError:
            continue


def _source(clip: Clip, recorded: dict | None = None) -> dict[str, Any]:
    return {"file": identify(clip.video, (recorded or {}).get("file")), "part": [clip.start, clip.end]}


def _transcribed(clips: Sequence[Clip], settings: LabelSettings, jobs: int | None) -> Iterator[dict]:
    """The record of each recording, as they finish."""
    jobs = jobs or processes_for(len(clips), MEMORY)
    if jobs == 1:
        return (label_recording(settings, clip) for clip in clips)
    return in_processes(partial(label_recording, settings), clips, jobs, _lost, ordered=False)


def label_recording(settings: LabelSettings, clip: Clip) -> dict:
    """The record of one recording."""
    source = _source(clip)
    try:
        labels = [asdict(label) for label in labels_of(clip, _opened(settings.folder), settings.rules)]
    except VsrError as error:
        return {"id": clip.id, "source": source, "reason": error.reason, "message": str(error), "labels": []}
    return {"id": clip.id, "source": source, "labels": labels}


def _lost(clip: Clip) -> dict:
    message = f"{clip.video}: crashes the decoder"
    return {"id": clip.id, "source": _source(clip), "reason": "unreadable", "message": message, "labels": []}


@lru_cache(maxsize=1)
def _opened(folder: str) -> FasterWhisper:
    return FasterWhisper(folder)


def _append(path: Path, record: dict) -> None:
    """Add a record in one write, on its own line. Raises VsrError no_space, not_writable."""
    try:
        with made_folder(path.parent), open(path, "ab", buffering=0) as stream:
            is_cut = stream.tell() and path.read_bytes()[-1:] != b"\n"
            stream.write((b"\n" if is_cut else b"") + (json.dumps(record, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise write_error(path, error) from error


def _write(out: Path, records: Sequence[dict]) -> Counter:
    """Write manifest.jsonl and counts.json; returns the counts."""
    labels = [label for record in records for label in record["labels"]]
    clips = [Clip(**label["clip"]) for label in labels if not label["reason"]]
    counts = Counter(label["reason"] or "kept" for label in labels)
    counts += Counter(record["reason"] for record in records if record.get("reason"))
    if clips:
        write_manifest(out / MANIFEST, clips)
    else:
        (out / MANIFEST).unlink(missing_ok=True)
    write_json(out / COUNTS, {"recordings": len(records), **counts})
    return counts
