"""Downloads a file from the web: with progress, and continued where an earlier download broke off.

One process at a time downloads a file, and no file is a mixture of two versions. HF_HUB_OFFLINE forbids all downloads.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from vsr.core.errors import VsrError, one_line
from vsr.core.files import made_folder, write_error, write_json

TIMEOUT = 60  # seconds without a byte
BLOCK = 1 << 20
AGAIN = "run again to go on from there"


def mirrored(url: str) -> str:
    """The URL of a file at the mirror VSR_MIRROR, if that is set."""
    mirror = os.environ.get("VSR_MIRROR")
    if not mirror:
        return url
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"


def download(url: str, path: str | Path, check: Callable[[Path], object] | None = None) -> Path:
    """Download one file to ``path``, unless it exists; a partial file is continued.

    Args:
        url: of the file, used as it is.
        path: of the file; its folder is made. During the download it is `.part` beside it.
        check: raises VsrError for a whole file with other content than expected; it is removed then. A part is also
            continued where the server does not say which version of the file it sends.

    Returns:
        ``path``.

    Raises:
        VsrError: no_network, hub_offline, no_space, not_writable, busy, and what ``check`` raises.
    """
    path = Path(path)
    if path.is_file():
        return path
    part = path.with_name(path.name + ".part")
    try:
        with made_folder(path.parent), _alone(part):
            if not path.is_file():
                _continue(url, part, is_checked=check is not None)
                _accept(part, check)
                part.replace(path)
                _note_of(part).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(part, error) from error
    return path


def _accept(part: Path, check: Callable[[Path], object] | None) -> None:
    """Check a whole file; a bad one and its note are removed. Raises VsrError."""
    try:
        if check is not None:
            check(part)
    except VsrError:
        part.unlink()
        _note_of(part).unlink(missing_ok=True)
        raise


def _note_of(part: Path) -> Path:
    """The file with the server's description of the file that a part belongs to."""
    return part.with_name(part.name + ".json")


def _continue(url: str, part: Path, is_checked: bool) -> None:
    """Append the missing bytes. A file that has changed on the server, or a server without ranges, is fetched from the
    start."""
    present, note = part.stat().st_size if part.is_file() else 0, _read_note(part)
    if present and note.get("url") == url and present == note.get("size"):
        return
    resumes = bool(present and note.get("url") == url and (note.get("version") or is_checked))
    headers = {"Range": f"bytes={present}-"} | ({"If-Range": note["version"]} if note.get("version") else {})
    headers = headers if resumes else {}
    with opened(url, headers | {"Accept-Encoding": "identity"}) as response:
        resumes = resumes and response.status == 206
        if resumes and not (response.headers.get("Content-Range") or "").startswith(f"bytes {present}-"):
            raise VsrError("no_network", f"{url} answers with another part than was asked for")
        start = present if resumes else 0
        length = response.headers.get("Content-Length")
        size = start + int(length) if length and length.isdigit() else None
        _check_room(part, (size or 0) - start)
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if version.startswith("W/"):
            version = response.headers.get("Last-Modified") or ""
        if not resumes:  # bytes of another version must not stay when the note is for this one
            part.unlink(missing_ok=True)
        write_json(_note_of(part), {"url": url, "version": version, "size": size})
        _copy(response, part, url, start, size)


def _read_note(part: Path) -> dict:
    try:
        note = json.loads(_note_of(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _check_room(part: Path, missing: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        problem = f"{missing / 1e6:.0f} MB are missing, {free / 1e6:.0f} MB are free"
        raise VsrError("no_space", f"{part.parent}: no room for the file: {problem}")


def _copy(response, part: Path, url: str, start: int, size: int | None) -> None:
    """Append the server's data to the part; a fetch that breaks off keeps the bytes received."""
    interrupted = VsrError("no_network", f"{url} broke off; {AGAIN}")
    with part.open("ab") as out, _bar(url, start, size) as advance:
        try:
            while block := response.read(BLOCK):
                out.write(block)
                advance(len(block))
        except (TimeoutError, ConnectionError, HTTPException) as error:
            raise interrupted from error
    if size is not None and part.stat().st_size < size:
        raise interrupted


@contextmanager
def _bar(url: str, start: int, size: int | None) -> Iterator:
    """A progress bar on a terminal; yields the function that advances it."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("/".join(url.split("/")[-1:]), total=size, completed=start)
        yield lambda count: progress.update(task, advance=count)


@contextmanager
def opened(url: str, headers: dict[str, str]) -> Iterator:
    """The answer of a server. Raises VsrError no_network, hub_offline, bad_config."""
    if re.match("(?i)1|true|yes|on", os.environ.get("HF_HUB_OFFLINE", "")):
        raise VsrError("hub_offline", f"{url} is not here yet, and HF_HUB_OFFLINE is set: unset it")
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
            yield response
    except HTTPError as error:
        raise VsrError("no_network", f"{url} answers {error.code} {error.reason}") from error
    except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
        raise VsrError("no_network", f"cannot reach {url}: {one_line(getattr(error, 'reason', error))}") from error
    except ValueError as error:
        raise VsrError("bad_config", f"{url} is no address: see HF_ENDPOINT and VSR_MIRROR") from error


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Let one process at a time fetch a file, where the system has file locks. Raises VsrError (busy)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    lock = part.with_name(part.name + ".lock")
    while True:
        with lock.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise VsrError("busy", f"{part.stem} is being fetched by another process: wait for it") from error
            if not _is_at(lock, handle):  # the process that held it has removed it since it was opened here
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_at(path: Path, handle: IO) -> bool:
    """Whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False
