"""The lists of a preparation, `NAME.jsonl`: those of another corpus, and somebody's own, are not replaced.

The folder's ledger says which corpus a list is of, and whether it was changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vsr.core.artifacts import Ledger, is_same
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, write_manifest

TO_DO = "move that list away and run the same again, or choose another --out"


def check_lists(out: str | Path, corpus: str, names: Iterable[str]) -> None:
    """Refuse a folder in which lists of those names are not of this corpus. Raises VsrError exists."""
    out, records = Path(out), Ledger(out).records
    for path in (out / f"{name}.jsonl" for name in names):
        if path.exists() and (problem := _not_ours(path, records.get(path.name), corpus)):
            raise VsrError("exists", f"{path} {problem}: {TO_DO}")


def _not_ours(path: Path, record: dict | None, corpus: str) -> str:
    if record is None:
        return f"is there, and nothing says that vsr prepare {corpus} wrote it (earlier versions kept no record)"
    if (other := record["made"].get("corpus")) != corpus:
        return f"is a list of {other}, not of {corpus}"
    return "" if is_same(record["file"], path) else "was changed since vsr prepare wrote it"


def write_lists(out: str | Path, corpus: str, lists: Mapping[str, Iterable[Clip]]) -> dict[str, int]:
    """Write a manifest for each list and return the numbers of clips.

    A list that is there with just these clips is left as it is. Raises VsrError exists before one is written.
    """
    out, found = Path(out), {name: list(clips) for name, clips in lists.items()}
    new = {name: clips for name, clips in found.items() if not _holds(out / f"{name}.jsonl", clips)}
    check_lists(out, corpus, new)
    ledger = Ledger(out)
    for name, clips in found.items():
        if name in new:
            write_manifest(out / f"{name}.jsonl", clips)
        if name in new or f"{name}.jsonl" not in ledger.records:
            ledger.add(f"{name}.jsonl", {"corpus": corpus})
    return {name: len(clips) for name, clips in found.items()}


def _holds(path: Path, clips: list[Clip]) -> bool:
    """Whether a file is the manifest of those clips, as a run of another version of this package may have left it."""
    try:
        return path.is_file() and (read_manifest(path) == clips if clips else not path.stat().st_size)
    except VsrError:
        return False
