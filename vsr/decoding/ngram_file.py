"""Check a file of n-grams by its first bytes, before anything heavy is loaded, with clear errors."""

from __future__ import annotations

from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.filetypes import wrong_file_note

FILES = (".arpa", ".arpa.gz", ".bin", ".klm", ".binary")  # endings; any other file may be lines of text to count
GZIP, BINARY, ARPA = b"\x1f\x8b", b"mmap lm http://kheafield.com/code", b"\\data\\"
HEAD = 1 << 16  # bytes to search for \data\, as a comment may precede it
DAMAGED = "begins as n-grams do and cannot be read to its end: it is cut short or damaged"


def check_ngram(path: str | Path) -> None:
    """Refuse a file that is neither ARPA nor KenLM binary. Raises VsrError bad_config."""
    if not (Path(path).is_file() and _is_ngram(Path(path))):
        known = r"neither ARPA, in which \data\ stands first, nor KenLM's binary"
        raise VsrError("bad_config", f"{path}: {wrong_file_note(path) or f'is no file of n-grams: {known}'}")


def _is_ngram(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise VsrError("bad_config", f"{path}: {error.strerror}") from error
    return head.startswith((GZIP, BINARY)) or ARPA in head.lower()
