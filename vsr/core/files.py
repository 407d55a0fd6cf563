"""Files that are written whole or not at all, so that a killed run never leaves half a file behind."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.kinds import Kind

SURROGATES = "backslashreplace"  # a file's name need not be UTF-8: in JSON its bytes are then written as "\\udcfc"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffix; it takes the name `path` on success.

    On failure the temporary file is removed and an older `path` is left as it was; within `together` it waits for the
    others. Raises VsrError ("no_space" when the disk is full, "not_writable" when the folder refuses the file).
    """
    path, others = Path(path), _waiting.get()
    temporary = _unused_beside(path)  # named before it is made: a request to end finds it at any moment
    try:
        if others is not None:
            others.folders += [own for own in path.absolute().parents if not own.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(0o666, exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        os.chmod(temporary, mode)  # some libraries make a new file, for the owner alone
        if others is None:
            os.replace(temporary, path)
        else:
            others.files[temporary] = path
    except OSError as error:
        raise _as_vsr_error(path, error) from error
    finally:
        if others is None or temporary not in others.files:
            _remove(temporary)


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
        for folder in sorted(set(others.folders), reverse=True):  # the inner ones first
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        _waiting.reset(before)


def check_output(path: str | Path, *inputs: str | Path, kind: Kind | None = None) -> None:
    """Refuse an output before the work that makes it: one that would replace what is read, or a file that is there and
    not of the ``kind`` that is written, or that cannot be written.

    Without a ``kind`` the caller asks by itself what it may replace. Raises VsrError bad_config, exists, not_writable.
    """
    path = Path(path)
    try:
        if any(same_file(path, other) for other in inputs):
            raise VsrError("bad_config", f"{path} is what is read: write to another file")
        if path.is_dir():
            raise VsrError("not_writable", f"cannot write {path}: it is a folder")
        if kind is not None and _is_other(path, kind):
            raise VsrError("exists", f"{path} is there and is not {kind.name}: give another name, or move it away")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise write_error(path, error) from error


def _is_other(path: Path, kind: Kind) -> bool:
    """Whether something is there that is lost if ``kind`` is written over it. Raises OSError."""
    return path.is_file() and path.stat().st_size > 0 and not kind.holds(path)


def check_outputs(paths: Iterable[str | Path | tuple[str | Path | None, Kind]], *inputs: str | Path) -> None:
    """`check_output` of several files, or (file, kind), which must not be one another either; None is no file.

    Raises VsrError.
    """
    taken: list[str | Path] = []
    for given in paths:
        path, kind = given if isinstance(given, tuple) else (given, None)
        if not path:
            continue
        check_output(path, *inputs, kind=kind)
        if any(same_file(path, other) for other in taken):
            raise VsrError("bad_config", f"{path} would be written twice: give each output its own file")
        taken.append(path)


def check_folder(folder: str | Path, names: Iterable[str], *inputs: str | Path) -> None:
    """Refuse a folder in which files of those names would replace an input; empty inputs are none. Raises VsrError."""
    here, own = os.path.realpath(folder), set(names)
    for other in (given for given in inputs if given):
        place, name = os.path.split(os.path.realpath(other))
        if place == here and name in own:
            raise VsrError("bad_config", f"{other} is what is read, and would be replaced: write to another folder")


def same_file(path: str | Path, other: str | Path) -> bool:
    """Whether two paths name one file: by links or another spelling, too, and where neither is there yet."""
    if os.path.abspath(path) == os.path.abspath(other):
        return True
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def ignores_case(folder: str | Path) -> bool:
    """Whether names in a folder that differ in their case alone are one file. Raises OSError."""
    with tempfile.NamedTemporaryFile(prefix=".Case", dir=folder) as file:
        return os.path.exists(os.path.join(folder, os.path.basename(file.name).swapcase()))


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


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=SURROGATES)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value of a UTF-8 JSON file. Raises OSError or json.JSONDecodeError."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_lines(path: str | Path) -> list[tuple[int, str]]:
    """(number, line) of the lines of a UTF-8 text that are not blank.

    Lines end where editors end them, not at every separator of Unicode, which may stand in a transcript; a byte order
    mark is left out. Raises VsrError bad_manifest.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise VsrError("bad_manifest", f"cannot read {path}: {why}") from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write one line for each string, atomically."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors=SURROGATES) as stream:
        stream.writelines(line + "\n" for line in lines)


def _unused_beside(path: Path) -> Path:
    """A name in the folder of `path` that no file has."""
    before, after = _around(path)
    while True:
        new = path.parent / f"{before}{uuid.uuid4().hex[:8]}{after}"
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
