"""Where the page keeps files: one private folder for uploads and results, from which everything goes again.

A job's folder has a name that cannot be guessed, which is all that a visitor needs, and has, to see its results.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

GRACE = 60.0  # seconds for which an upload waits to be shown by the page of its visitor
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
NAME = re.compile(r"[a-z0-9]+\.[a-z0-9]+")


class Store:
    """A temporary folder with `uploads/`, `jobs/`, `desk/` for what is being written, and `gone/` for what is being
    removed; nobody but the owner can look into any of them.

    Args:
        keep: seconds after which an upload or a result goes.
        room: bytes beyond which nothing more is taken.
    """

    def __init__(self, keep: float, room: float):
        self.keep, self.room = keep, room
        self._folder = tempfile.TemporaryDirectory(prefix="lip2speech-web.")
        self.root = Path(self._folder.name)
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
