"""Reading and atomic writing of text and JSON files, and checks that an output replaces nothing it must not."""

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
from vsr.core.file_kinds import FileKind

__all__ = [
    "SURROGATES", "append_line", "atomic_write", "check_folder", "check_output", "check_outputs", "check_writable",
    "ignores_case", "made_folder", "may_not_read", "read_json",
    "read_lines", "remove_leftovers", "same_file", "together", "usual_mode", "write_error", "write_json", "write_lines",
    "write_text",
]  # fmt: skip
SURROGATES = "backslashreplace"  # file names need not be UTF-8: JSON then has their bytes as "\\udcfc"


def check_output(path: str | Path, *inputs: str | Path, kind: FileKind | None = None) -> None:
    """Refuse an output before the work that makes it: one that would replace an input, an existing file that is not of
    the ``kind`` that is written, or one that cannot be written.

    Without a ``kind`` the caller checks what it may replace. Raises VsrError bad_config, exists, not_writable.
    """
    path = Path(path)
    try:
        if any(same_file(path, source) for source in inputs):
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
    """Refuse a folder, existing or to be made, in which nothing can be written, before the work. Raises VsrError
    not_writable."""
    try:
        if not Path(folder).is_dir() and os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        tempfile.TemporaryFile(dir=_nearest(Path(folder).absolute())).close()
    except OSError as error:
        raise VsrError("not_writable", f"cannot write to {folder}: {error.strerror}") from error


def _nearest(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def may_not_read(path: str | Path) -> bool:
    """Whether a file exists, or may exist, that this user may not read."""
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    return not os.access(path, os.R_OK)


def _is_other(path: Path, kind: FileKind) -> bool:
    """Whether writing ``kind`` would replace a file of another kind. Raises OSError."""
    return path.is_file() and path.stat().st_size > 0 and not kind.holds(path)


def check_outputs(paths: Iterable[str | Path | tuple[str | Path | None, FileKind]], *inputs: str | Path) -> None:
    """`check_output` for several files, or (file, kind), which must also be different files; None is skipped.

    Raises VsrError.
    """
    taken: list[str | Path] = []
    for item in paths:
        path, kind = item if isinstance(item, tuple) else (item, None)
        if not path:
            continue
        check_output(path, *inputs, kind=kind)
        if any(same_file(path, other) for other in taken):
            raise VsrError("bad_config", f"{path} would be written twice: give each output its own file")
        taken.append(path)


def check_folder(folder: str | Path, names: Iterable[str], *inputs: str | Path) -> None:
    """Refuse a folder in which files of these names would replace an input; skips empty inputs. Raises VsrError."""
    target, outputs = os.path.realpath(folder), set(names)
    for source in (source for source in inputs if source):
        parent, name = os.path.split(os.path.realpath(source))
        if parent == target and name in outputs:
            raise VsrError("bad_config", f"{source} is what is read, and would be replaced: write to another folder")


def same_file(path: str | Path, other: str | Path) -> bool:
    """Whether two paths are one file: also through links or another spelling, and if neither exists yet."""
    if os.path.abspath(path) == os.path.abspath(other):
        return True
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def ignores_case(folder: str | Path) -> bool:
    """Whether names that differ only in case are one file in a folder, which need not exist yet. Raises OSError."""
    existing = _nearest(Path(folder).absolute())
    with tempfile.NamedTemporaryFile(prefix=".Case", dir=existing) as file:
        return os.path.exists(os.path.join(existing, os.path.basename(file.name).swapcase()))


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

    Lines end at line breaks only, not at other separators of Unicode, which a transcript may contain; a byte order mark
    is skipped. Raises VsrError bad_manifest.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_manifest", f"cannot read {path}: {cause_of(error, 'it is no UTF-8 text')}") from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def append_line(path: str | Path, line: str, safe: bool = False) -> None:
    """Add a line to a text file in one write, making its folder; ``safe``: return only once it is on the disk.

    Raises VsrError no_space, not_writable.
    """
    path = Path(path)
    try:
        with made_folder(path.parent), path.open("ab", buffering=0) as stream:
            data = (line + "\n").encode(errors=SURROGATES)
            if stream.write(data) < len(data):  # a disk that has just become full accepts a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if safe:
                os.fsync(stream.fileno())
    except OSError as error:
        raise write_error(path, error) from error


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write one line for each string, atomically."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors=SURROGATES) as stream:
        stream.writelines(line + "\n" for line in lines)
