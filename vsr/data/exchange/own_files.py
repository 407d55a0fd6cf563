"""Files that `vsr convert` names after clips: none replaces the file of another clip of that id, or somebody else's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vsr.core.artifacts import CHANGED, Ledger, identify, record_of
from vsr.core.errors import VsrError
from vsr.core.one_output import check_ids

Made = tuple[Path, str | Path]  # a file, and what it is made of


def check_made(made: Iterable[Made], folder: Path) -> None:
    """Refuse to replace what convert did not write, or wrote of something else. Raises VsrError exists, bad_manifest
    for two files that would be one on this disk."""
    ledger, made = Ledger(folder), list(made)
    check_ids((_name(path, folder) for path, _ in made), folder)
    for path, source in made:
        recorded = ledger.recorded_identity(_name(path, folder), "source")
        if path.is_file() and not (recorded and _is_unchanged(ledger, path, identify(source, recorded))):
            raise not_ours(path)


def _is_unchanged(ledger: Ledger, path: Path, source: dict) -> bool:
    return ledger.state(_name(path, ledger.folder), {"source": source}, "source") != CHANGED


def not_ours(path: Path) -> VsrError:
    """That a file is somebody else's."""
    problem = f"{path} is there, and nothing says that vsr convert wrote it as it is"
    return VsrError("exists", f"{problem}: choose another --out, or move it away")


def record_made(made: Iterable[Made], folder: Path) -> None:
    """Record the files that were written. Raises VsrError no_space, not_writable."""
    written = [(path, {"source": identify(source)}) for path, source in made if path.is_file()]
    if written:
        Ledger(folder).append([record_of(_name(path, folder), path, inputs) for path, inputs in written])


def _name(path: Path, folder: Path) -> str:
    return path.absolute().relative_to(folder.absolute()).as_posix()
