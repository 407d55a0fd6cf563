"""Recordings without transcripts -> a manifest whose texts a local recogniser has heard.

`<out>/labels.jsonl`, a line a recording, added as it is done: its clips with confidence, language and what was left out
and why; at the end `<out>/manifest.jsonl` of the clips that are kept, and `<out>/counts.json`. A killed run goes on.
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
from vsr.core.progress import counted
from vsr.corpora.heard import Rules, labels_of
from vsr.data.manifest import Clip, write_manifest
from vsr.media.whisper import WEIGHTS, FasterWhisper

LABELS, MANIFEST, COUNTS = "labels.jsonl", "manifest.jsonl", "counts.json"
VERSION = 2  # of a label: raised whenever the same recording gets another
MEMORY = 1_500_000_000  # bytes that a process takes with a small model


@dataclass(frozen=True)
class Hearing:
    """Who hears, and what is kept. folder: of Whisper in CTranslate2's format; rules."""

    folder: str
    rules: Rules = Rules()

    def digest(self) -> str:
        """A short name of all that labels depend on beside their recordings."""
        weights = identify(Path(self.folder) / WEIGHTS)
        return digest_of({"weights": essence(weights), "rules": asdict(self.rules), "way": VERSION})


def label_recordings(clips: Sequence[Clip], out: str | Path, hearing: Hearing, jobs: int | None = None) -> Counter:
    """Label every recording; returns counts of "kept" clips, of those left out by reason, and of recordings that could
    not be heard, by theirs.

    Raises VsrError bad_asr for a folder without Whisper; not_writable for a folder that holds something else, or labels
    of other settings.
    """
    out, digest = Path(out), _checked(hearing)
    done = _done(out, clips, digest)
    left = [clip for clip in clips if clip.id not in done]
    found = _heard(left, hearing, jobs)
    for record in counted(found, "recordings", len(clips), len(clips) - len(left)):
        _append(out / LABELS, record | {"made": digest})
        done[record["id"]] = record
    return _write(out, [done[clip.id] for clip in clips])


def _checked(hearing: Hearing) -> str:
    """The digest of a hearing whose recogniser can be opened. Raises VsrError."""
    if not (Path(hearing.folder) / WEIGHTS).is_file():
        raise VsrError("bad_asr", f"{hearing.folder}: no Whisper of CTranslate2 there (it has no {WEIGHTS})")
    _opened(hearing.folder)
    return hearing.digest()


def _done(out: Path, clips: Sequence[Clip], digest: str) -> dict[str, dict]:
    """Records of an earlier run of the same recordings. Raises VsrError."""
    for name in (LABELS, MANIFEST, COUNTS):
        check_output(out / name, *(clip.video for clip in clips))
    if not (out / LABELS).is_file():
        if (out / MANIFEST).exists():
            raise VsrError("not_writable", f"{out / MANIFEST} exists already: choose another --out")
        return {}
    known = {clip.id: clip for clip in clips}
    found = {}
    for record in _records(out / LABELS):
        if record.get("made") != digest:
            raise VsrError("not_writable", f"{out} holds labels of other settings: choose another --out")
        own = known.get(record["id"])
        if own and essence(record["source"]) == essence(_source(own, record["source"])):
            found[own.id] = record
    return found


def _records(path: Path) -> Iterator[dict]:
    """The whole lines of labels; what a kill cut short is left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
            if isinstance(record, dict) and {"id", "source", "labels"} <= record.keys():
                yield record
        except ValueError:
            continue


def _source(clip: Clip, known: dict | None = None) -> dict[str, Any]:
    return {"file": identify(clip.video, (known or {}).get("file")), "part": [clip.start, clip.end]}


def _heard(clips: Sequence[Clip], hearing: Hearing, jobs: int | None) -> Iterator[dict]:
    """A record of each recording, as they come."""
    jobs = jobs or processes_for(len(clips), MEMORY)
    if jobs == 1:
        return (hear(hearing, clip) for clip in clips)
    return in_processes(partial(hear, hearing), clips, jobs, _lost, ordered=False)


def hear(hearing: Hearing, clip: Clip) -> dict:
    """The record of one recording."""
    source = _source(clip)
    try:
        labels = [asdict(label) for label in labels_of(clip, _opened(hearing.folder), hearing.rules)]
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
    """Add a line in one write, on a line of its own. Raises VsrError no_space, not_writable."""
    try:
        with made_folder(path.parent), open(path, "ab", buffering=0) as stream:
            broken = stream.tell() and path.read_bytes()[-1:] != b"\n"
            stream.write((b"\n" if broken else b"") + (json.dumps(record, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise write_error(path, error) from error


def _write(out: Path, records: Sequence[dict]) -> Counter:
    """manifest.jsonl and counts.json; the counts."""
    labels = [label for record in records for label in record["labels"]]
    kept = [Clip(**label["clip"]) for label in labels if not label["reason"]]
    counts = Counter(label["reason"] or "kept" for label in labels)
    counts += Counter(record["reason"] for record in records if record.get("reason"))
    if kept:
        write_manifest(out / MANIFEST, kept)
    else:
        (out / MANIFEST).unlink(missing_ok=True)
    write_json(out / COUNTS, {"recordings": len(records), **counts})
    return counts
