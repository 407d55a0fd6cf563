"""Writing whole or not at all: a file takes its name when all of it is there, so that a killed run leaves no half."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from vsr.core.errors import VsrError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffix; it takes the name `path` on success.

    On failure the temporary file is removed, as are folders that were made for it and are empty, and an older `path` is
    left as it was; within `together` it waits for the others. Raises VsrError ("no_space" when the disk is full,
    "not_writable" when the folder refuses the file or the name is that of a device or a pipe).
    """
    path, others = Path(path), _waiting.get()
    check_no_device(path)
    temporary = _unused_beside(path)  # named before it is made: a request to end finds it at any moment
    made = _missing(path.absolute().parent)
    try:
        if others is not None:
            others.folders += made
        _touch(temporary)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        os.chmod(temporary, mode)  # some libraries make a new file, for the owner alone
        if others is None:
            os.replace(temporary, path)
        else:
            others.files[temporary] = path
    except Exception as error:
        if (system := system_error(error) or _full(temporary, error)) is None:
            raise
        raise _as_vsr_error(path, system) from error
    finally:
        if others is None or temporary not in others.files:
            _remove(temporary)
        if others is None and not os.path.lexists(path):
            remove_empty(made)


@contextmanager
def made_folder(folder: str | Path, mode: int = 0o777) -> Iterator[Path]:
    """A folder, made with those above it where it is not there yet; where what is to come into it fails, those that
    were made go again, unless something is in them. Raises VsrError no_space, not_writable."""
    folder = Path(folder)
    made = _missing(folder.absolute())
    try:
        try:
            folder.mkdir(mode, parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        yield folder
    except BaseException:
        remove_empty(made)
        raise


def _missing(folder: Path) -> list[Path]:
    """Those of a folder and the ones above it that are not there."""
    return [] if folder.is_dir() else [own for own in (folder, *folder.parents) if not own.exists()]


def remove_empty(folders: list[Path]) -> None:
    """Remove those of some folders in which nothing is, the inner ones first."""
    for folder in sorted(set(folders), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _touch(path: Path) -> None:
    """Make a new file, and its folder, which another process that could not write to it may be removing. Raises
    OSError."""
    for left in (2, 1, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return path.touch(0o666, exist_ok=False)
        except FileNotFoundError:
            if not left:
                raise


def check_no_device(path: Path) -> None:
    """A new file would take the place of a device, a pipe or a socket. Raises VsrError not_writable."""
    with suppress(OSError):  # what cannot be looked at is told of by who writes
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise VsrError("not_writable", f"cannot write {path}: it is a device or a pipe, give the name of a file")


@dataclass
class _Waiting:
    """Finished files, temporary name -> name, and the folders that were made for them."""

    files: dict[Path, Path] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)


_waiting: ContextVar[_Waiting | None] = ContextVar("files that wait for one another", default=None)


@contextmanager
def together() -> Iterator[None]:
    """All files of `atomic_write` in it take their names at its end, or none does and no new folder stays."""
    others = _Waiting()
    before = _waiting.set(others)
    try:
        yield
        for temporary, path in others.files.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in others.files:
            _remove(temporary)
        remove_empty(others.folders)
        raise
    finally:
        _waiting.reset(before)


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files that killed writes of `path` left beside it. Raises VsrError."""
    path = Path(path)
    before, after = _around(path)
    name = re.compile(re.escape(before) + r"\w{8}" + re.escape(after))
    try:
        for other in path.parent.iterdir():
            if name.fullmatch(other.name):
                other.unlink(missing_ok=True)
    except FileNotFoundError:  # no folder, nothing left in it
        return
    except OSError as error:
        raise write_error(path, error) from error


def _unused_beside(path: Path) -> Path:
    """A name in the folder of `path` that no file has."""
    before, after = _around(path)
    while True:
        new = path.parent / f"{before}{os.urandom(4).hex()}{after}"
        if not os.path.lexists(new):
            return new


def _remove(path: Path) -> None:
    """Remove a file that may be gone, though the request to end comes in the midst of it."""
    try:
        with suppress(OSError):
            path.unlink()
    except KeyboardInterrupt:
        path.unlink(missing_ok=True)
        raise


def _around(path: Path) -> tuple[str, str]:
    """What stands before and after the random part of a temporary name, which is short enough for any file system."""
    return f".{path.stem[:40]}.", path.suffix if len(path.suffix) <= 20 else ""


def usual_mode(path: Path) -> None:
    """Give a file the permissions that an ordinary new one has.

    They are those of a file made beside it: the process's umask cannot be read without changing it, for the files that
    other threads make in the meantime, too.
    """
    ordinary = _unused_beside(path)
    try:
        ordinary.touch(0o666, exist_ok=False)
        os.chmod(path, stat.S_IMODE(ordinary.stat().st_mode))
    finally:
        _remove(ordinary)


def system_error(error: Exception) -> OSError | None:
    """The system's error: what is one, or what tells of one in words as safetensors does; None for any other, such as
    NumPy's OSError without a number ("691200 requested and 307072 written")."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    told = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(told[1]), os.strerror(int(told[1]))) if told and type(error).__name__ == TOLD_BY else None


def _full(temporary: Path, error: Exception) -> OSError | None:
    """What the system says to some more bytes, where a library failed that tells of a full disk in words of its own, as
    PyTorch does ("unexpected pos 704 vs 598"); None where it takes them."""
    if isinstance(error, VsrError) or not temporary.is_file():
        return None
    try:
        with temporary.open("ab", buffering=0) as file:
            taken = file.write(bytes(PROBE))
        return None if taken == PROBE else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as refused:
        return refused


PROBE = 1 << 16  # bytes
TOLD_BY = "SafetensorError"  # by its name, so that files are written without loading the library
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG,
)  # fmt: skip


def _as_vsr_error(path: Path, error: OSError) -> Exception:
    """The user's view of a failed write; other system errors stay what they are."""
    return write_error(path, error) if error.errno in (*FULL, *REFUSED) else error


def write_error(path: str | Path, error: OSError) -> VsrError:
    """The user's view of any system error that met a write: "no_space" or "not_writable", with the system's reason."""
    if error.errno in FULL:
        return VsrError("no_space", f"no space left to write {path}")
    return VsrError("not_writable", f"cannot write {path}: {error.strerror or error}")
