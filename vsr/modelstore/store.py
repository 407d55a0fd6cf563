"""The local store of published models: a model is fetched once, converted, cached, and works offline afterwards.

The cache is VSR_CACHE, else `vsr` in XDG_CACHE_HOME, else `~/.cache/vsr`. Its folder `models` has a folder for each
model; `known.json` records the SHA-256 of every file at its first fetch, and the licences that were accepted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.modelstore.catalogue import NAMES, near
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.modelstore.conversion import convert
from vsr.modelstore.entry import BY_HAND, SHIPPED, Known

RECORD = "known.json"


def cache_folder() -> Path:
    """The cache."""
    cache = os.environ.get("VSR_CACHE")
    if cache:
        return Path(cache)
    local = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(local or Path.home() / ".cache") / "vsr"


def folder_of(known: Known) -> Path:
    """The model folder that a published model becomes."""
    return cache_folder() / "models" / known.name


def is_here(known: Known) -> bool:
    """Whether a model can be used without a network."""
    return known.state == SHIPPED or (folder_of(known) / CONFIG_FILE).is_file()


def known_model(name: str) -> Known:
    """The published model of a name. Raises VsrError (bad_model) that lists similar names."""
    if name in NAMES:
        return NAMES[name]
    similar = near(name)
    advice = f"near: {', '.join(similar)}; vsr models lists all" if similar else "vsr models lists all"
    raise VsrError("bad_model", f"{name}: no such model folder, and no published model has that name ({advice})")


def stored(name: str) -> Path:
    """The folder of a published model, fetched if it is not here; a name that looks like a path is that path.

    Raises VsrError like `get`.
    """
    if name not in NAMES and (os.sep in name or "/" in name or name in (".", "..", "")):
        return Path(name)
    return get(known_model(name))


def get(
    known: Known, accept: bool = False, source: str | Path | None = None, again: bool = False,
    whisper: str | Path | None = None,
) -> Path:  # fmt: skip
    """The model's folder, fetched and converted if needed.

    Args:
        known: the model.
        accept: the licence is accepted.
        source: a folder with files that were fetched by hand, or the checkpoint alone.
        again: fetch and convert even if the model is here.
        whisper: folder of the Whisper that writes the text, for a model that needs one; it is then converted again.

    Raises:
        VsrError: licence, not_fetched for a model that must be fetched by hand, bad_model for one in the package, and
            errors of `vsr.modelstore.fetch` and `vsr.modelstore.importers.importing`.
    """
    folder = folder_of(known)
    if known.state == SHIPPED:
        raise VsrError("bad_model", f"{known.name} is in the package: nothing has to be downloaded")
    if whisper is not None:
        from vsr.modelstore.importers.published import check_whisper

        check_whisper(known.family, whisper)
    if is_here(known) and not again and whisper is None:
        return folder
    if known.state == BY_HAND and source is None:
        raise VsrError("not_fetched", by_hand(known))
    if source is not None and not Path(source).exists():  # before the user is asked to accept a licence
        raise VsrError("not_fetched", f"{source}: no such file or folder")
    agree(known, accept)
    files = _gather(known, None if source is None else Path(source))
    return convert(known, files, folder, whisper)


def by_hand(known: Known) -> str:
    """Instructions for a model that no program may fetch."""
    names = [file.name for file in known.files if not file.address]
    argument = "FILE" if len(names) == 1 else "FOLDER"
    argument += f" --whisper FOLDER (of {known.whisper})" if known.whisper else ""
    return (
        f"{known.name} must be fetched by hand from {known.place} ({', '.join(names)}); "
        f"then: vsr models get {known.name} --from {argument}"
    )


def agree(known: Known, accept: bool, ask: Callable[[str], str] = input) -> None:
    """Show the licence and have it accepted, once. Raises VsrError (licence)."""
    record, licence = _read_record(), known.licence
    if licence.name in record["agreed"]:
        return
    print(f"{known.name}: {licence.name}: {licence.terms}\n{licence.url}", file=sys.stderr)
    if not accept and sys.stdin.isatty() and sys.stderr.isatty():
        print("Do you agree? Write yes: ", end="", file=sys.stderr, flush=True)
        accept = ask("").strip().lower() in ("yes", "y")
    if not accept:
        command = f"vsr models get {known.name} --accept-licence"
        raise VsrError("licence", f"the licence of {known.name} must be accepted first: {command}")
    record["agreed"][licence.name] = date.today().isoformat()
    _write_record(record)


def _read_record() -> dict:
    """Known hashes and accepted licences; a damaged record is an error, as it protects fetched files."""
    path = cache_folder() / "models" / RECORD
    try:
        record = read_json(path) if path.exists() else {}
        return {key: {str(k): str(v) for k, v in record.get(key, {}).items()} for key in ("sha256", "agreed")}
    except (OSError, ValueError, AttributeError) as error:
        raise VsrError("bad_record", f"{path} is damaged: remove it, and files are treated as new") from error


def _write_record(record: dict) -> None:
    path = cache_folder() / "models" / RECORD
    write_json(path, record)


def _gather(known: Known, source: Path | None) -> dict[str, Path]:
    """Name -> path of all files for the import, fetched unless they are in ``source``."""
    from vsr.modelstore.fetch import fetch

    files: dict[str, Path] = {}
    downloads = cache_folder() / "models" / f"{known.name}.files"
    for index, file in enumerate(known.files):
        local = _fetched_by_hand(source, file.name, index == 0)
        if local is not None:
            files[file.name] = local
        elif file.address:
            record = _read_record()
            expected = file.sha256 or record["sha256"].get(file.address, "")
            digest = fetch(file.address, downloads / file.name, expected)
            if digest != record["sha256"].get(file.address):
                record = _read_record()  # another process may have written it meanwhile
                record["sha256"][file.address] = digest
                _write_record(record)
            files[file.name] = downloads / file.name
        elif not file.name.startswith("lm/"):  # a model also works without its language model
            raise VsrError("not_fetched", f"{source} has no {file.name}: {by_hand(known)}")
    return files


def _fetched_by_hand(source: Path | None, name: str, first: bool) -> Path | None:
    """The file of that name among those fetched by hand; None if it is not there."""
    if source is None:
        return None
    if source.is_file():
        return source if first else next((path for path in [source.parent / name] if path.is_file()), None)
    return source / name if (source / name).is_file() else None
