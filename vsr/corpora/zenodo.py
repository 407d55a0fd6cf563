"""The files of a Zenodo record: listed, downloaded and checked by MD5, and unpacked."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vsr.core.download import BLOCK, download, mirrored, opened
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write


@dataclass(frozen=True)
class RemoteFile:
    """One file of a record: its name, address, size in bytes and MD5."""

    name: str
    url: str
    size: int
    md5: str


def list_record(url: str) -> dict[str, RemoteFile]:
    """The files of a Zenodo record by name; ``url`` is that of its JSON. Raises VsrError (no_network, bad_corpus)."""
    with opened(mirrored(url), {"Accept": "application/json"}) as response:
        text = response.read()
    try:
        files = [
            RemoteFile(
                Path(entry["key"]).name,
                entry["links"]["self"],
                int(entry["size"]),
                entry["checksum"].removeprefix("md5:"),
            )
            for entry in json.loads(text)["files"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VsrError("bad_corpus", f"{url} does not describe a record of Zenodo") from error
    return {file.name: file for file in files}


def download_file(file: RemoteFile, folder: str | Path) -> Path:
    """Fetch one file into ``folder``; a partial file is continued.

    Raises VsrError: no_network, no_space, not_writable, busy; bad_download for another MD5 than the record's.
    """
    return download(mirrored(file.url), Path(folder) / file.name, lambda path: _check(file, path))


def _check(file: RemoteFile, path: Path) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:  # hashlib.file_digest came with Python 3.11
        while block := stream.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != file.md5:
        raise VsrError("bad_download", f"{file.name} is not what its record promises (MD5); it was removed: run again")


def unpack(archive: str | Path, folder: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """Extract an archive's files with these suffixes below ``folder``, named by their last two parts (s1/bbaf2n.mpg).

    The rest of a member's path is not trusted. Raises VsrError (bad_download, no_space).
    """
    written = []
    try:
        with zipfile.ZipFile(archive) as zip_file:
            for member in zip_file.infolist():
                parts = PurePosixPath(member.filename).parts[-2:]
                is_hidden = any(part.startswith(".") for part in parts)  # "..", and files that macOS adds
                if member.is_dir() or len(parts) < 2 or is_hidden or PurePosixPath(parts[1]).suffix not in suffixes:
                    continue
                written.append(_extract(zip_file, member, Path(folder, *parts)))
    except zipfile.BadZipFile as error:
        raise VsrError("bad_download", f"{archive} is not a whole zip file; remove it and run again") from error
    return written


def _extract(stored: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Path:
    if not (path.is_file() and path.stat().st_size == member.file_size):
        with atomic_write(path) as temporary, stored.open(member) as source, temporary.open("wb") as out:
            shutil.copyfileobj(source, out, BLOCK)
    return path
