"""Downloads archives of a Zenodo record: resumed where they stopped, checked by MD5, unpacked and removed."""

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

    @classmethod
    def of(cls, entry: dict) -> RemoteFile:
        """A file from its entry in the JSON of a record."""
        md5 = entry["checksum"].removeprefix("md5:")
        return cls(Path(entry["key"]).name, entry["links"]["self"], int(entry["size"]), md5)


def list_record(url: str) -> dict[str, RemoteFile]:
    """The files of a Zenodo record by name; ``url`` is that of its JSON. Raises VsrError (no_network, bad_corpus)."""
    with _opened(Request(url, headers={"Accept": "application/json"})) as response:
        text = response.read()
    try:
        files = [RemoteFile.of(entry) for entry in json.loads(text)["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VsrError("bad_corpus", f"{url} does not describe a record of Zenodo") from error
    return {file.name: file for file in files}


def download(file: RemoteFile, folder: str | Path) -> Path:
    """Fetch one file into ``folder``; a partial file is continued.

    Raises VsrError: no_network, no_space, not_writable, bad_download (size or MD5 differ from the record).
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
    """Append the missing bytes; a server without ranges sends the whole file, which replaces the part."""
    from rich.console import Console
    from rich.progress import wrap_file

    present = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={present}-"} if present else {}
    with _opened(Request(file.url, headers=headers)) as response:
        resumes = bool(present) and response.status == 206
        total = file.size - present if resumes else file.size
        bar = wrap_file(response, total, description=file.name, console=Console(stderr=True))
        with part.open("ab" if resumes else "wb") as out, bar as source:
            try:
                shutil.copyfileobj(source, out, BLOCK)
            except (TimeoutError, ConnectionError) as error:
                raise VsrError("no_network", f"{file.url} broke off; run again to continue from there") from error


def _check(file: RemoteFile, part: Path) -> None:
    """Raise VsrError if size or MD5 differ from the record; a file with another MD5 is removed."""
    if part.stat().st_size < file.size:
        raise VsrError("no_network", f"{file.url} broke off; run again to continue from there")
    digest = hashlib.md5(usedforsecurity=False)
    with part.open("rb") as stream:  # hashlib.file_digest came with Python 3.11
        while block := stream.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != file.md5:
        part.unlink()
        raise VsrError("bad_download", f"{file.name} is not what its record promises (MD5); it was removed: run again")


@contextmanager
def _opened(request: Request):
    try:
        with urlopen(request, timeout=TIMEOUT) as response:
            yield response
    except HTTPError as error:
        raise VsrError("no_network", f"{request.full_url} answers {error.code} {error.reason}") from error
    except (URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise VsrError("no_network", f"cannot reach {request.full_url}: {reason}") from error


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
    from vsr.core.files import atomic_write

    if not (path.is_file() and path.stat().st_size == member.file_size):
        with atomic_write(path) as temporary, stored.open(member) as source, temporary.open("wb") as out:
            shutil.copyfileobj(source, out, BLOCK)
    return path
