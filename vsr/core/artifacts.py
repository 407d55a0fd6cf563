"""Records what each file of an output folder was made from, so that no file is kept because of its name alone.

A folder has one ledger, `.made.jsonl`, with one line per file: the identity of the file, and its inputs (by size and
SHA-256) and options (by value). A line is appended in one write once its file is complete. A killed run leaves at worst
a file without a line; of the lines of two runs in one folder, only the right one fits the file. Files without a line,
such as those of older versions, are made again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.file_kinds import FileKind
from vsr.core.files import made_folder, write_error

LEDGER = ".made.jsonl"
LOCAL = ("path", "seen")  # keys of an identity that the result does not depend on: where and when a file was read
KEPT, NEW, UNRECORDED, CHANGED = "", "new", "without a record", "changed since"  # states of a file
MODEL_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer.model", "units.safetensors")


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def identify(path: str | Path, recorded: dict | None = None) -> dict[str, Any]:
    """Size and SHA-256 of a file, its path and the times of its last change.

    A file with the size and times of ``recorded``, an earlier result, is not read again; for a missing file,
    ``recorded`` is returned if it has the same path. An unreadable file equals no other.
    """
    path, recorded = os.path.abspath(path), recorded or {}
    try:
        status = os.stat(path)
        seen = [status.st_mtime_ns, status.st_ctime_ns]
        if (recorded.get("bytes"), recorded.get("seen")) == (status.st_size, seen):
            return recorded | {"path": path}
        return {"bytes": status.st_size, "sha256": _hashed(path, status.st_size, *seen), "path": path, "seen": seen}
    except FileNotFoundError:
        return recorded if recorded.get("path") == path else {"absent": path}
    except OSError as error:
        return {"unreadable": f"{path}: {error.strerror}"}


@lru_cache(maxsize=4096)
def _hashed(path: str, *status: int) -> str:
    """The hash of a file in one state, cached: a video with many clips is read once."""
    return sha256_of(path)


def identify_folder(folder: str | Path, names: Iterable[str] = MODEL_FILES) -> dict[str, dict]:
    """Identities of those of the named files that a folder has, such as the parts of a model."""
    return {name: identify(Path(folder) / name) for name in names if (Path(folder) / name).is_file()}


def essence(record: Any) -> Any:
    """The part of a record that a result depends on, as JSON has it: without path and times of the inputs."""
    if isinstance(record, dict):
        return {str(key): essence(value) for key, value in record.items() if key not in LOCAL}
    return [essence(value) for value in record] if isinstance(record, (list, tuple)) else record


def digest_of(record: Any) -> str:
    """A short hash of the essence."""
    return hashlib.sha256(json.dumps(essence(record), sort_keys=True).encode()).hexdigest()[:16]


def differences(old: dict, new: dict) -> list[str]:
    """Names of the inputs and options in which two records differ."""
    old, new = essence(old), essence(new)
    return [key for key in dict.fromkeys((*new, *old)) if old.get(key) != new.get(key)]


class Ledger:
    """The ledger of one output folder.

    ``records``: name -> the file's last line, with "file" (an identity) and "made" (inputs and options).
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.records = {record["name"]: record for record in records_in(self.folder / LEDGER)}
        self._seen_elsewhere: list[dict] = []

    def inputs(self, name: str) -> dict:
        """The inputs and options that the file was made from, {} if unknown."""
        return self.records.get(name, {}).get("made", {})

    def recorded_identity(self, name: str, *keys: str) -> dict | None:
        """The recorded identity of an input of a file, under ``keys``, for `identify`."""
        value: Any = self.inputs(name)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else None

    def state(self, name: str, inputs: dict, source: str = "") -> str:
        """KEPT if the file exists, complete and made from exactly ``inputs``; else NEW or why it must be made again.

        ``source``: key of the input that the file is named after. Raises VsrError exists if the file was made of
        another one of that name, which must not be lost.
        """
        path = self.folder / name
        if not path.is_file():
            return NEW
        if name not in self.records:
            return UNRECORDED
        self._check_source(name, inputs.get(source) or {}, self.recorded_identity(name, source) or {})
        if different := differences(self.inputs(name), inputs):
            return f"other {' and '.join(different)}"
        if not is_same(self.records[name]["file"], path):
            return CHANGED
        if json.dumps(inputs, sort_keys=True) != json.dumps(self.inputs(name), sort_keys=True):
            self._seen_elsewhere.append(self.records[name] | {"made": inputs})
        return KEPT

    def _check_source(self, name: str, now: dict, recorded: dict) -> None:
        """A file that changed in its place is the same source, and so is a copy elsewhere."""
        is_known = "sha256" in now and "sha256" in recorded
        if is_known and now["path"] != recorded.get("path") and essence(now) != essence(recorded):
            problem = f"was made of {recorded.get('path')}, not of {now['path']}"
            raise VsrError("exists", f"{self.folder / name} {problem}: choose another --out, or move it away")

    def refresh(self) -> None:
        """Record where and when the inputs of kept files were last read, so that they need not be read again."""
        records, self._seen_elsewhere = self._seen_elsewhere, []
        if records:
            self.append(records)

    def add(self, name: str, inputs: dict, file: dict | None = None) -> None:
        """Record what a finished file was made from; ``file``: its identity, if known. Raises VsrError."""
        record = {"name": name, "file": file or identify(self.folder / name), "made": inputs}
        self.append([record])

    def append(self, records: Iterable[dict]) -> None:
        """Add lines that `record_of` or another ledger made. Raises VsrError no_space, not_writable."""
        records = list(records)
        append_records(self.folder, records)
        self.records |= {record["name"]: record for record in records}


def append_records(folder: str | Path, records: Iterable[dict]) -> None:
    """Add lines to a folder's ledger in one write, without reading it. Raises VsrError no_space, not_writable."""
    path = Path(folder) / LEDGER
    # Each line begins with its own line break, so that a line cut short by a kill spoils no other.
    data = "".join(f"\n{json.dumps(record)}\n" for record in records).encode()
    with made_folder(folder):
        _append(path, data)


def _append(path: Path, data: bytes) -> None:
    """Raises VsrError no_space, not_writable."""
    try:
        with open(path, "ab", buffering=0) as ledger:
            if ledger.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        with suppress(OSError):
            if not path.stat().st_size:  # an empty ledger, as there was no room
                path.unlink()
        raise write_error(path, error) from error


def record_of(name: str, path: str | Path, inputs: dict) -> dict:
    """The ledger's line for a file that is at ``path``, a temporary one, and will be called ``name``: no other process
    has changed it.

    A worker makes the line, and the main process appends it.
    """
    return {"name": name, "file": identify(path), "made": inputs}


def is_same(file: dict, path: Path) -> bool:
    """Whether a file on disk has this identity; it may have been moved or copied since."""
    try:
        status = path.stat()
        if status.st_size != file.get("bytes"):
            return False
        return status.st_mtime_ns == file.get("seen", [None])[0] or sha256_of(path) == file.get("sha256")
    except OSError:
        return False


def recorded_kind(name: str) -> FileKind:
    """The kind of files that the ledger of their folder records and that are unchanged; ``name``: for messages."""

    def holds(path: Path) -> bool:
        record = Ledger(path.parent).records.get(path.name)
        return record is not None and is_same(record["file"], path)

    return FileKind(name, holds)


def records_in(path: Path) -> Iterable[dict]:
    """The complete lines of a ledger, in order; none without a ledger."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
            if [type(record[key]) for key in ("name", "file", "made")] == [str, dict, dict]:
                yield record
        except (ValueError, LookupError, TypeError):
            continue


def is_up_to_date(path: str | Path, inputs: dict, check: Callable[[str | Path], object]) -> bool:
    """Whether the single output of a run exists already, made from exactly ``inputs``; prints what is done on stderr.

    ``check`` raises VsrError for a file that this program did not write, which is not replaced.
    """
    path = Path(path)
    ledger = Ledger(path.parent)
    if path.exists() and path.name not in ledger.records:
        check(path)
    state = ledger.state(path.name, inputs)
    print_states([state], str(path))
    return state == KEPT


def summary_of_states(states: Iterable[str], what: str) -> str:
    """ "crops: 12 kept, 3 made again (2 other video, 1 without a record), 5 new"; "" if there was nothing before."""
    counts = Counter(states)
    kept, new = counts.pop(KEPT, 0), counts.pop(NEW, 0)
    if not kept and not counts:
        return ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in counts.most_common())
    parts = {"kept": kept, f"made again ({reasons})": counts.total(), "new": new}
    return f"{what}: " + ", ".join(f"{number} {action}" for action, number in parts.items() if number)


def print_states(states: Iterable[str], what: str) -> None:
    """Print on stderr what is kept, and what is made again and why."""
    if summary := summary_of_states(states, what):
        print(summary, file=sys.stderr, flush=True)
