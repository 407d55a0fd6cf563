"""Explains in words what a file is that was mistaken for a model's, since a library's error does not say."""

from __future__ import annotations

from pathlib import Path

HEAD = 1024  # bytes that are read
POINTER = b"version https://git-lfs.github.com/spec/"
PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head")
ARCHIVES = {b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive"}


def wrong_file_note(path: str | Path) -> str:
    """What a path is that cannot hold weights, and what to do; "" for any other."""
    path = Path(path)
    if path.is_dir():
        return "a folder: name the file in it"
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "no ordinary file"
    with path.open("rb") as stream:
        return _by_content(stream.read(HEAD))


def _by_content(head: bytes) -> str:
    if not head:
        return "an empty file: fetch it again"
    if head.startswith(POINTER):
        return "a pointer of Git LFS in the place of the file: fetch it with 'git lfs pull'"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:32].lower().startswith(PAGES):
        return "a web page and no weights: the download needs another address or a login"
    if _begins_json(head):
        return "JSON text and no weights: perhaps what a server answered in place of the file"
    return next((advice + ": unpack it first" for magic, advice in ARCHIVES.items() if head.startswith(magic)), "")


def is_json(path: str | Path) -> bool:
    """Whether a file begins as JSON objects and lists do."""
    try:
        with Path(path).open("rb") as stream:
            return _begins_json(stream.read(HEAD))
    except OSError:
        return False


def _begins_json(head: bytes) -> bool:
    return head.lstrip()[:1] in (b"{", b"[")
