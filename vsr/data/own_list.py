"""A folder has one list: the `manifest.jsonl` that a verb left in it is not replaced by the list of other clips."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest


def check_list(path: str | Path, clips: Iterable[Clip]) -> None:
    """Refuse to replace a manifest that shares no clip with the new one; ids decide, so that a list may grow and
    shrink. Raises VsrError exists, bad_manifest where it cannot be read."""
    path = Path(path)
    if path.is_file() and path.stat().st_size:
        check_ids_of_list(path, [clip.id for clip in read_manifest(path)], [clip.id for clip in clips])


def check_ids_of_list(path: str | Path, before: Collection[str], ids: Iterable[str]) -> None:
    """`check_list` for a list of another format: the ids in ``path``, and the new ones. Raises VsrError exists."""
    if before and set(before).isdisjoint(ids):
        example = f"{path} lists other clips, such as {next(iter(before))}, and none of these"
        raise VsrError("exists", f"{example}: choose another --out, or move it away")
