"""Files of text and JSON, which are written whole or not at all, and what must not be written over."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vsr.core.atomic import (
    atomic_write,
    check_no_device,
    made_folder,
    remove_leftovers,
    together,
    usual_mode,
    write_error,
)
from vsr.core.errors import VsrError, cause_of
from vsr.core.kinds import Kind

__all__ = [
    "SURROGATES", "append_line", "atomic_write", "check_folder", "check_output", "check_outputs", "check_writable",
    "ignores_case", "made_folder", "may_not_read", "read_json",
    "read_lines", "remove_leftovers", "same_file", "together", "usual_mode", "write_error", "write_json", "write_lines",
    "write_text",
]  # fmt: skip
SURROGATES = "backslashreplace"  # a file's name need not be UTF-8: in JSON its bytes are then written as "\\udcfc"


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
        check_no_device(path)
        if kind is not None and _is_other(path, kind):
            raise VsrError("exists", f"{path} exists and is not {kind.name}: give another name, or move it away")
        tempfile.TemporaryFile(dir=_nearest(path.absolute().parent)).close()
    except OSError as error:
        raise write_error(path, error) from error


def check_writable(folder: str | Path) -> None:
    """Refuse a folder in which nothing can be written, there or to be made, before the work. Raises VsrError
    not_writable."""
    try:
        if not Path(folder).is_dir() and os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        tempfile.TemporaryFile(dir=_nearest(Path(folder).absolute())).close()
    except OSError as error:
        raise VsrError("not_writable", f"cannot write to {folder}: {error.strerror}") from error


def _nearest(folder: Path) -> Path:
    """A folder, or that above it in which it would be made."""
    return next(own for own in (folder, *folder.parents) if own.exists())


def may_not_read(path: str | Path) -> bool:
    """Whether a file is there, or may be, that this user may not read."""
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    return not os.access(path, os.R_OK)


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
    """Whether names in a folder, there or to be made, that differ in their case alone are one file. Raises OSError."""
    there = _nearest(Path(folder).absolute())
    with tempfile.NamedTemporaryFile(prefix=".Case", dir=there) as file:
        return os.path.exists(os.path.join(there, os.path.basename(file.name).swapcase()))


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
        raise VsrError("bad_manifest", f"cannot read {path}: {cause_of(error, 'it is no UTF-8 text')}") from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def append_line(path: str | Path, line: str, safe: bool = False) -> None:
    """Add a line to a text in one write; ``safe``: it is on the disk when this returns. Makes the folder.

    Raises VsrError no_space, not_writable.
    """
    path = Path(path)
    try:
        with made_folder(path.parent), path.open("ab", buffering=0) as stream:
            data = (line + "\n").encode(errors=SURROGATES)
            if stream.write(data) < len(data):  # a disk that has just become full takes a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if safe:
                os.fsync(stream.fileno())
    except OSError as error:
        raise write_error(path, error) from error


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write one line for each string, atomically."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors=SURROGATES) as stream:
        stream.writelines(line + "\n" for line in lines)
