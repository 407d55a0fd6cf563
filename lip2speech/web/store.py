"""File storage of the server: one private temporary folder for uploads and results, all of which are removed again.

The name of a job's folder cannot be guessed; whoever knows it has access to the job's results.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX, HELD = "lip2speech-web.", ".held"  # prefix of a store's folder; name of the lock file in it
GRACE = 60.0  # seconds that an upload is kept before the visitor's page shows it
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
NAME = re.compile(r"[a-z0-9]+\.[a-z0-9]+")


class Store:
    """A temporary folder with `uploads/`, `jobs/`, `desk/` for files being written, and `gone/` for files being
    removed; all are accessible by the owner only.

    The folder of a killed server is removed by the next server of the same user.

    Args:
        keep: seconds after which an upload or a result is removed.
        room: bytes beyond which uploads are refused.
    """

    def __init__(self, keep: float, room: float):
        self.keep, self.room = keep, room
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.root = Path(self._folder.name)
        self._lock = _lock_folder(self.root)
        remove_orphans(self.root)
        self.uploads, self.jobs, self.scratch, self.gone = (
            self.root / name for name in ("uploads", "jobs", "desk", "gone")
        )
        for folder in (self.uploads, self.jobs, self.scratch, self.gone):
            folder.mkdir(mode=0o700)

    def new_job(self) -> Path:
        """Create the folder of a new job."""
        folder = self.jobs / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        return folder

    def result(self, token: str, name: str) -> Path | None:
        """The file ``name`` of the job ``token``, or None; no path outside the jobs can be reached."""
        if not TOKEN.fullmatch(token) or not NAME.fullmatch(name):
            return None
        path = self.jobs / token / name
        return path if path.is_file() else None

    def remove(self, path: Path) -> None:
        """Remove a folder, or the file of an interrupted upload.

        It is renamed first, which is atomic, so that no file can be written into the folder any more.
        """
        with suppress(FileNotFoundError):
            path = path.rename(self.gone / secrets.token_urlsafe(16))
        if path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)

    def is_full(self) -> bool:
        """Whether the files exceed the room; a file with two hard links counts twice."""
        return sum(_stat(path, "st_size") for path in _files_of(self.root)) > self.room

    def sweep(self, jobs_in_queue: Container[Path] = (), on_pages: Container[Path] = ()) -> int:
        """Remove jobs and uploads that were not written to for `keep` seconds, and sooner the uploads that are not
        ``on_pages`` to any visitor; jobs in ``jobs_in_queue`` stay. Returns the number of removed folders.

        An upload's folder is named after its content, so two visitors may share it.
        """
        jobs = [job for job in self.jobs.iterdir() if job not in jobs_in_queue and _age(job) > self.keep]
        uploads = [
            upload for upload in self.uploads.iterdir() if _age(upload) > (self.keep if upload in on_pages else GRACE)
        ]
        for path in (*jobs, *uploads):
            self.remove(path)
        return len(jobs) + len(uploads)

    def close(self) -> None:
        """Remove everything."""
        self._folder.cleanup()
        if self._lock is not None:
            self._lock.close()


def remove_orphans(own: Path) -> None:
    """Remove store folders of killed servers, which may contain videos of faces, if they have the same owner as
    ``own``, a folder that is locked."""
    owner = own.lstat().st_uid
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _belongs(root, owner) and (root / HELD).is_file() and (lock := _lock_folder(root)) is not None:
            shutil.rmtree(root, ignore_errors=True)
            lock.close()


def _belongs(root: Path, owner: int) -> bool:
    with suppress(OSError):
        status = root.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == owner
    return False


def _lock_folder(root: Path) -> IO[bytes] | None:
    """Lock a store's folder; the system releases the lock when the server ends. None if another server holds it."""
    try:
        import fcntl

        lock = (root / HELD).open("ab")
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _age(path: Path) -> float:
    """Seconds since the path, or any file in it, was last written."""
    return time.time() - max(_stat(file, "st_mtime") for file in (path, *_files_of(path)))


def _files_of(folder: Path) -> Iterator[Path]:
    """All files in a folder, recursively; some may be removed meanwhile."""
    for subfolder, _, names in os.walk(folder):
        yield from (Path(subfolder, name) for name in names)


def _stat(path: Path, field: str) -> float:
    """A field of the file's status; 0 if the file has just been removed."""
    try:
        return getattr(path.stat(), field)
    except FileNotFoundError:
        return 0
