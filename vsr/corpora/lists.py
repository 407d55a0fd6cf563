"""Writes the lists of a preparation, `NAME.jsonl`, without replacing lists of another corpus or of the user.

The folder's ledger records the corpus of each list, and whether it was changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vsr.core.artifacts import Ledger, is_same
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, write_manifest

TO_DO = "move that list away and run the same again, or choose another --out"


def check_lists(out: str | Path, corpus: str, names: Iterable[str]) -> None:
    """Refuse a folder in which lists with these names are not of this corpus. Raises VsrError exists."""
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

    A list that has exactly these clips already is left unchanged. Raises VsrError exists before any is written.
    """
    out, by_name = Path(out), {name: list(clips) for name, clips in lists.items()}
    changed = {name: clips for name, clips in by_name.items() if not _holds(out / f"{name}.jsonl", clips)}
    check_lists(out, corpus, changed)
    ledger = Ledger(out)
    for name, clips in by_name.items():
        if name in changed:
            write_manifest(out / f"{name}.jsonl", clips)
        if name in changed or f"{name}.jsonl" not in ledger.records:
            ledger.add(f"{name}.jsonl", {"corpus": corpus})
    return {name: len(clips) for name, clips in by_name.items()}


def _holds(path: Path, clips: list[Clip]) -> bool:
    """Whether a file is the manifest of these clips, perhaps written by another version of this package."""
    try:
        return path.is_file() and (read_manifest(path) == clips if clips else not path.stat().st_size)
    except VsrError:
        return False
