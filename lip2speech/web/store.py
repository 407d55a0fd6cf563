"""Where the page keeps files: one private folder for uploads and results, from which everything goes again.

A job's folder has a name that cannot be guessed, which is all that a visitor needs, and has, to see its results.
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

PREFIX, HELD = "lip2speech-web.", ".held"  # of a store's folder, and of the file that is locked in it
GRACE = 60.0  # seconds for which an upload waits to be shown by the page of its visitor
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
NAME = re.compile(r"[a-z0-9]+\.[a-z0-9]+")


class Store:
    """A temporary folder with `uploads/`, `jobs/`, `desk/` for what is being written, and `gone/` for what is being
    removed; nobody but the owner can look into any of them.

    What a server that was killed has left is removed by the next one of the same user.

    Args:
        keep: seconds after which an upload or a result goes.
        room: bytes beyond which nothing more is taken.
    """

    def __init__(self, keep: float, room: float):
        self.keep, self.room = keep, room
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.root = Path(self._folder.name)
        self._held = _hold(self.root)
        remove_orphans(self.root)
        self.uploads, self.jobs, self.desk, self.gone = (
            self.root / name for name in ("uploads", "jobs", "desk", "gone")
        )
        for folder in (self.uploads, self.jobs, self.desk, self.gone):
            folder.mkdir(mode=0o700)

    def new_job(self) -> Path:
        """A fresh folder for one job."""
        folder = self.jobs / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        return folder

    def result(self, token: str, name: str) -> Path | None:
        """The file ``name`` of the job ``token``, if there is one; nothing outside the jobs can be named."""
        if not TOKEN.fullmatch(token) or not NAME.fullmatch(name):
            return None
        path = self.jobs / token / name
        return path if path.is_file() else None

    def remove(self, path: Path) -> None:
        """Remove a folder, or what an upload that broke off has left.

        It loses its name first, at once: whoever is about to put a file into the folder finds none.
        """
        with suppress(FileNotFoundError):
            path = path.rename(self.gone / secrets.token_urlsafe(16))
        if path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)

    def is_full(self) -> bool:
        """Whether the files fill the room; one with two names counts twice."""
        return sum(_stat(path, "st_size") for path in _files_of(self.root)) > self.room

    def sweep(self, spared: Container[Path] = (), shown: Container[Path] = ()) -> int:
        """Remove what nobody has touched for `keep` seconds, but those jobs ``spared``, and uploads that no visitor
        is ``shown``; returns how many went.

        An upload's folder is named after its content, so that two visitors may share one.
        """
        jobs = [job for job in self.jobs.iterdir() if job not in spared and _age(job) > self.keep]
        uploads = [own for own in self.uploads.iterdir() if _age(own) > (self.keep if own in shown else GRACE)]
        for path in (*jobs, *uploads):
            self.remove(path)
        return len(jobs) + len(uploads)

    def close(self) -> None:
        """Remove everything."""
        self._folder.cleanup()
        if self._held is not None:
            self._held.close()


def remove_orphans(own: Path) -> None:
    """Remove the folders of the owner of ``own``, which is held, whose server is gone: a kill -9 or a power cut leaves
    faces behind."""
    owner = own.lstat().st_uid
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _belongs(root, owner) and (root / HELD).is_file() and (held := _hold(root)) is not None:
            shutil.rmtree(root, ignore_errors=True)
            held.close()


def _belongs(root: Path, owner: int) -> bool:
    with suppress(OSError):
        found = root.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == owner
    return False


def _hold(root: Path) -> IO[bytes] | None:
    """The lock of a store's folder, which the system lets go with its server; None where another has it."""
    try:
        import fcntl

        held = (root / HELD).open("ab")
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    return held


def _age(path: Path) -> float:
    """Seconds since anything in it was written."""
    return time.time() - max(_stat(own, "st_mtime") for own in (path, *_files_of(path)))


def _files_of(folder: Path) -> Iterator[Path]:
    """The files somewhere in a folder, out of which others may be removing some at the same time."""
    for inner, _, names in os.walk(folder):
        yield from (Path(inner, name) for name in names)


def _stat(path: Path, field: str) -> float:
    """A field of what the system says of a file; 0 for one that has just gone."""
    try:
        return getattr(path.stat(), field)
    except FileNotFoundError:
        return 0
