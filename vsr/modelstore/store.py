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
from vsr.modelstore.catalogue import ENTRIES, similar_names
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.modelstore.conversion import convert
from vsr.modelstore.entry import BY_HAND, SHIPPED, CatalogueEntry

RECORD = "known.json"


def cache_folder() -> Path:
    """The cache."""
    cache = os.environ.get("VSR_CACHE")
    if cache:
        return Path(cache)
    local = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(local or Path.home() / ".cache") / "vsr"


def folder_of(entry: CatalogueEntry) -> Path:
    """The model folder that a published model becomes."""
    return cache_folder() / "models" / entry.name


def is_available(entry: CatalogueEntry) -> bool:
    """Whether a model can be used without a network."""
    return entry.state == SHIPPED or (folder_of(entry) / CONFIG_FILE).is_file()


def entry_of(name: str) -> CatalogueEntry:
    """The published model of a name. Raises VsrError (bad_model) that lists similar names."""
    if name in ENTRIES:
        return ENTRIES[name]
    similar = similar_names(name)
    advice = f"near: {', '.join(similar)}; vsr models lists all" if similar else "vsr models lists all"
    raise VsrError("bad_model", f"{name}: no such model folder, and no published model has that name ({advice})")


def folder_by_name(name: str) -> Path:
    """The folder of a published model, fetched if it is not here; a name that looks like a path is that path.

    Raises VsrError like `fetched_folder`.
    """
    if name not in ENTRIES and (os.sep in name or "/" in name or name in (".", "..", "")):
        return Path(name)
    return fetched_folder(entry_of(name))


def fetched_folder(
    entry: CatalogueEntry, accepted: bool = False, source: str | Path | None = None, refetch: bool = False,
    whisper: str | Path | None = None,
) -> Path:  # fmt: skip
    """The model's folder, fetched and converted if needed.

    Args:
        entry: the model.
        accepted: the licence is accepted.
        source: a folder with files that were fetched by hand, or the checkpoint alone.
        refetch: fetch and convert even if the model is here.
        whisper: folder of the Whisper that writes the text, for a model that needs one; it is then converted again.

    Raises:
        VsrError: licence, not_fetched for a model that must be fetched by hand, bad_model for one in the package, and
            errors of `vsr.modelstore.fetch` and `vsr.modelstore.importers.importing`.
    """
    folder = folder_of(entry)
    if entry.state == SHIPPED:
        raise VsrError("bad_model", f"{entry.name} is in the package: nothing has to be downloaded")
    if whisper is not None:
        from vsr.modelstore.importers.published import check_whisper

        check_whisper(entry.family, whisper)
    if is_available(entry) and not refetch and whisper is None:
        return folder
    if entry.state == BY_HAND and source is None:
        raise VsrError("not_fetched", manual_instructions(entry))
    if source is not None and not Path(source).exists():  # before the user is asked to accept a licence
        raise VsrError("not_fetched", f"{source}: no such file or folder")
    accept_licence(entry, accepted)
    files = _gather(entry, None if source is None else Path(source))
    return convert(entry, files, folder, whisper)


def manual_instructions(entry: CatalogueEntry) -> str:
    """Instructions for a model that no program may fetch."""
    names = [file.name for file in entry.files if not file.address]
    argument = "FILE" if len(names) == 1 else "FOLDER"
    argument += f" --whisper FOLDER (of {entry.whisper})" if entry.whisper else ""
    return (
        f"{entry.name} must be fetched by hand from {entry.place} ({', '.join(names)}); "
        f"then: vsr models get {entry.name} --from {argument}"
    )


def accept_licence(entry: CatalogueEntry, accepted: bool, prompt: Callable[[str], str] = input) -> None:
    """Show the licence and have it accepted, once. Raises VsrError (licence)."""
    record, licence = _read_record(), entry.licence
    if licence.name in record["agreed"]:
        return
    print(f"{entry.name}: {licence.name}: {licence.terms}\n{licence.url}", file=sys.stderr)
    if not accepted and sys.stdin.isatty() and sys.stderr.isatty():
        print("Do you agree? Write yes: ", end="", file=sys.stderr, flush=True)
        accepted = prompt("").strip().lower() in ("yes", "y")
    if not accepted:
        command = f"vsr models get {entry.name} --accept-licence"
        raise VsrError("licence", f"the licence of {entry.name} must be accepted first: {command}")
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


def _gather(entry: CatalogueEntry, source: Path | None) -> dict[str, Path]:
    """Name -> path of all files for the import, fetched unless they are in ``source``."""
    from vsr.modelstore.fetch import fetch

    files: dict[str, Path] = {}
    downloads = cache_folder() / "models" / f"{entry.name}.files"
    for index, file in enumerate(entry.files):
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
            raise VsrError("not_fetched", f"{source} has no {file.name}: {manual_instructions(entry)}")
    return files


def _fetched_by_hand(source: Path | None, name: str, first: bool) -> Path | None:
    """The file of that name among those fetched by hand; None if it is not there."""
    if source is None:
        return None
    if source.is_file():
        return source if first else next((path for path in [source.parent / name] if path.is_file()), None)
    return source / name if (source / name).is_file() else None
