"""Atomic writing: a file takes its name once it is complete, so that a killed run leaves no partial file."""

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

    On failure the temporary file is removed, as are empty folders that were created for it, and an older `path` stays
    unchanged; within `together` it waits for the other files. Raises VsrError ("no_space" when the disk is full,
    "not_writable" when the folder refuses the file or the name is that of a device or a pipe).
    """
    path, waiting = Path(path), _waiting.get()
    check_no_device(path)
    temporary = _unused_beside(path)  # before the file is made, so that an interrupt at any moment can remove it
    made = _missing(path.absolute().parent)
    try:
        if waiting is not None:
            waiting.folders += made
        _touch(temporary)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        os.chmod(temporary, mode)  # some libraries make a new file that only its owner can read
        if waiting is None:
            os.replace(temporary, path)
        else:
            waiting.files[temporary] = path
    except Exception as error:
        if (system := system_error(error) or _full(temporary, error)) is None:
            raise
        raise _as_vsr_error(path, system) from error
    finally:
        if waiting is None or temporary not in waiting.files:
            _remove(temporary)
        if waiting is None and not os.path.lexists(path):
            remove_empty(made)


@contextmanager
def made_folder(folder: str | Path, mode: int = 0o777) -> Iterator[Path]:
    """Create a folder and its parents where missing; if the block fails, those that were created are removed again,
    unless they contain something. Raises VsrError no_space, not_writable."""
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
    """The folder and those of its parents that do not exist."""
    return [] if folder.is_dir() else [place for place in (folder, *folder.parents) if not place.exists()]


def remove_empty(folders: list[Path]) -> None:
    """Remove the empty ones of some folders, inner ones first."""
    for folder in sorted(set(folders), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _touch(path: Path) -> None:
    """Create a new file and its folder, which another process may be removing at the same time. Raises OSError."""
    for left in (2, 1, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return path.touch(0o666, exist_ok=False)
        except FileNotFoundError:
            if not left:
                raise


def check_no_device(path: Path) -> None:
    """Raise VsrError not_writable for a device, a pipe or a socket, which a new file would replace."""
    with suppress(OSError):  # a path that cannot be inspected is reported by the write itself
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise VsrError("not_writable", f"cannot write {path}: it is a device or a pipe, give the name of a file")


@dataclass
class _Waiting:
    """Finished files, temporary path -> path, and the folders made for them."""

    files: dict[Path, Path] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)


_waiting: ContextVar[_Waiting | None] = ContextVar("files that wait for one another", default=None)


@contextmanager
def together() -> Iterator[None]:
    """All files of `atomic_write` inside take their names at the end, or none does and no new folder stays."""
    waiting = _Waiting()
    previous = _waiting.set(waiting)
    try:
        yield
        for temporary, path in waiting.files.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in waiting.files:
            _remove(temporary)
        remove_empty(waiting.folders)
        raise
    finally:
        _waiting.reset(previous)


def remove_leftovers(path: str | Path) -> None:
    """Remove temporary files beside `path` that killed writes left. Raises VsrError."""
    path = Path(path)
    prefix, suffix = _around(path)
    pattern = re.compile(re.escape(prefix) + r"\w{8}" + re.escape(suffix))
    try:
        for file in path.parent.iterdir():
            if pattern.fullmatch(file.name):
                file.unlink(missing_ok=True)
    except FileNotFoundError:  # no folder, so nothing to remove
        return
    except OSError as error:
        raise write_error(path, error) from error


def _unused_beside(path: Path) -> Path:
    """An unused temporary name in the folder of `path`."""
    prefix, suffix = _around(path)
    while True:
        candidate = path.parent / f"{prefix}{os.urandom(4).hex()}{suffix}"
        if not os.path.lexists(candidate):
            return candidate


def _remove(path: Path) -> None:
    """Remove a file that may be gone, even if an interrupt arrives meanwhile."""
    try:
        with suppress(OSError):
            path.unlink()
    except KeyboardInterrupt:
        path.unlink(missing_ok=True)
        raise


def _around(path: Path) -> tuple[str, str]:
    """Prefix and suffix of a temporary name around its random part, short enough for any file system."""
    return f".{path.stem[:40]}.", path.suffix if len(path.suffix) <= 20 else ""


def usual_mode(path: Path) -> None:
    """Give a file the permissions of an ordinary new file.

    They are read from a file made beside it: reading the process's umask means changing it, also for files that other
    threads make meanwhile.
    """
    ordinary = _unused_beside(path)
    try:
        ordinary.touch(0o666, exist_ok=False)
        os.chmod(path, stat.S_IMODE(ordinary.stat().st_mode))
    finally:
        _remove(ordinary)


def system_error(error: Exception) -> OSError | None:
    """The system's error behind an error: an OSError itself, or one that safetensors names in its message; None for any
    other, such as NumPy's OSError without a number ("691200 requested and 307072 written")."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    match = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(match[1]), os.strerror(int(match[1]))) if match and type(error).__name__ == TOLD_BY else None


def _full(temporary: Path, error: Exception) -> OSError | None:
    """The system's error on writing some more bytes, None if they fit: for libraries that report a full disk in their
    own words, as PyTorch does ("unexpected pos 704 vs 598")."""
    if isinstance(error, VsrError) or not temporary.is_file():
        return None
    try:
        with temporary.open("ab", buffering=0) as file:
            written = file.write(bytes(PROBE))
        return None if written == PROBE else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as refused:
        return refused


PROBE = 1 << 16  # bytes
TOLD_BY = "SafetensorError"  # compared by name, so that files are written without loading the library
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG,
)  # fmt: skip


def _as_vsr_error(path: Path, error: OSError) -> Exception:
    """The error of a failed write as a user should see it; other system errors unchanged."""
    return write_error(path, error) if error.errno in (*FULL, *REFUSED) else error


def write_error(path: str | Path, error: OSError) -> VsrError:
    """The VsrError for a system error during a write: "no_space" or "not_writable", with the system's reason."""
    if error.errno in FULL:
        return VsrError("no_space", f"no space left to write {path}")
    return VsrError("not_writable", f"cannot write {path}: {error.strerror or error}")
