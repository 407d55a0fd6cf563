"""A record of Zenodo -> archives on disk: each resumed where it stopped, checked by its MD5, unpacked and removed."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from vsr.core.errors import VsrError
from vsr.core.files import made_folder

TIMEOUT = 60  # seconds without a byte
BLOCK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """One file of a record: its name, address, size in bytes and MD5."""

    name: str
    url: str
    size: int
    md5: str


def list_record(url: str) -> dict[str, RemoteFile]:
    """The files of a Zenodo record by name; ``url`` is that of its JSON. Raises VsrError (no_network, bad_corpus)."""
    with _opened(Request(url, headers={"Accept": "application/json"})) as answer:
        text = answer.read()
    try:
        files = [
            RemoteFile(Path(f["key"]).name, f["links"]["self"], int(f["size"]), f["checksum"].removeprefix("md5:"))
            for f in json.loads(text)["files"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VsrError("bad_corpus", f"{url} does not describe a record of Zenodo") from error
    return {file.name: file for file in files}


def download(file: RemoteFile, folder: str | Path) -> Path:
    """Fetch one file into ``folder``; a part that is there already is kept and continued.

    Raises VsrError: no_network, no_space, not_writable, bad_download (other bytes than the record promises).
    """
    path = Path(folder) / file.name
    if path.is_file():
        return path
    part = path.with_name(path.name + ".part")
    try:
        with made_folder(path.parent):
            if not part.is_file() or part.stat().st_size < file.size:
                _continue(file, part)
            _check(file, part)
            part.rename(path)
    except OSError as error:
        reason = "not_writable" if isinstance(error, PermissionError) else "no_space"
        raise VsrError(reason, f"cannot write {part}: {error.strerror}") from error
    return path


def _continue(file: RemoteFile, part: Path) -> None:
    """Append what is missing; a server that cannot start in the middle sends all, and all is written again."""
    from rich.console import Console
    from rich.progress import wrap_file

    done = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    with _opened(Request(file.url, headers=headers)) as answer:
        goes_on = bool(done) and answer.status == 206
        total = file.size - done if goes_on else file.size
        bar = wrap_file(answer, total, description=file.name, console=Console(stderr=True))
        with part.open("ab" if goes_on else "wb") as out, bar as source:
            try:
                shutil.copyfileobj(source, out, BLOCK)
            except (TimeoutError, ConnectionError) as error:
                raise VsrError("no_network", f"{file.url} broke off; run again to continue from there") from error


def _check(file: RemoteFile, part: Path) -> None:
    """Raises VsrError and removes the file unless size and MD5 are those of the record."""
    if part.stat().st_size < file.size:
        raise VsrError("no_network", f"{file.url} broke off; run again to continue from there")
    digest = hashlib.md5(usedforsecurity=False)
    with part.open("rb") as stream:  # hashlib.file_digest came with Python 3.11
        while piece := stream.read(BLOCK):
            digest.update(piece)
    if digest.hexdigest() != file.md5:
        part.unlink()
        raise VsrError("bad_download", f"{file.name} is not what its record promises (MD5); it was removed: run again")


@contextmanager
def _opened(request: Request):
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            yield answer
    except HTTPError as error:
        raise VsrError("no_network", f"{request.full_url} answers {error.code} {error.reason}") from error
    except (URLError, TimeoutError) as error:
        why = getattr(error, "reason", error)
        raise VsrError("no_network", f"cannot reach {request.full_url}: {why}") from error


def unpack(archive: str | Path, folder: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """Write an archive's files of the given suffixes below ``folder`` under their last two names (s1/bbaf2n.mpg).

    Nothing else of a member's path is believed. Raises VsrError (bad_download, no_space).
    """
    written = []
    try:
        with zipfile.ZipFile(archive) as stored:
            for member in stored.infolist():
                parts = PurePosixPath(member.filename).parts[-2:]
                hidden = any(part.startswith(".") for part in parts)  # "..", and what macOS adds
                if member.is_dir() or len(parts) < 2 or hidden or PurePosixPath(parts[1]).suffix not in suffixes:
                    continue
                written.append(_extract(stored, member, Path(folder, *parts)))
    except zipfile.BadZipFile as error:
        raise VsrError("bad_download", f"{archive} is not a whole zip file; remove it and run again") from error
    return written


def _extract(stored: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Path:
    from vsr.core.files import atomic_write

    if not (path.is_file() and path.stat().st_size == member.file_size):
        with atomic_write(path) as temporary, stored.open(member) as source, temporary.open("wb") as out:
            shutil.copyfileobj(source, out, BLOCK)
    return path
