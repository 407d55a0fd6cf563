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
from pathlib import Path
from typing import Any

from vsr.errors import VsrError

SURROGATES = "backslashreplace"  # a file's name need not be UTF-8: in JSON its bytes are then told as "\\udcfc"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffix; it takes the name `path` on success.

    On failure the temporary file is removed and an older `path` is left as it was. Raises VsrError
    ("no_space" when the disk is full, "not_writable" when the folder refuses the file).
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _new_beside(path)
        yield temporary
        usual_mode(temporary)  # some libraries make their files anew, for the owner alone
        os.replace(temporary, path)
    except OSError as error:
        raise _as_vsr_error(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def check_output(path: str | Path, *inputs: str | Path) -> None:
    """Refuse an output before the work that makes it: one that would replace what is read, or cannot be written.

    Raises VsrError bad_config or not_writable.
    """
    path = Path(path)
    if any(path.exists() and Path(other).exists() and path.samefile(other) for other in inputs):
        raise VsrError("bad_config", f"{path} is what is read: write to another file")
    if path.is_dir():
        raise VsrError("not_writable", f"cannot write {path}: it is a folder")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise VsrError("not_writable", f"cannot write {path}: {error.strerror}") from error


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files that killed writes of `path` left beside it."""
    path = Path(path)
    name = re.compile(re.escape(f".{path.stem[:40]}.") + r"\w{8}" + re.escape(path.suffix))
    for other in path.parent.iterdir():
        if name.fullmatch(other.name):
            other.unlink(missing_ok=True)


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


def _new_beside(path: Path) -> Path:
    """A new empty file in the folder of `path`, with the permissions that an ordinary one has."""
    while True:
        new = path.parent / f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}{path.suffix}"
        with suppress(FileExistsError):
            new.touch(0o666, exist_ok=False)
            return new


def usual_mode(path: Path) -> None:
    """Give a file the permissions that an ordinary new one has.

    They are those of a file made beside it: the process's umask cannot be read without changing it, for the files that
    other threads make in the meantime, too.
    """
    ordinary = _new_beside(path)
    try:
        os.chmod(path, stat.S_IMODE(ordinary.stat().st_mode))
    finally:
        ordinary.unlink()


def _as_vsr_error(path: Path, error: OSError) -> Exception:
    """The user's view of a failed write; other system errors stay what they are."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VsrError("no_space", f"no space left to write {path}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return VsrError("not_writable", f"cannot write {path}: {error.strerror}")
    return error
