"""Converts the files of a published model to a folder of the store, all of it or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.core.files import write_error
from vsr.modelstore.entry import CatalogueEntry

if TYPE_CHECKING:
    from vsr.modelstore.importers.published import Published


def convert(entry: CatalogueEntry, files: dict[str, Path], folder: Path, whisper: str | Path | None = None) -> Path:
    """Import a published model's files into a temporary folder, which takes the name ``folder`` once complete; then the
    fetched files are removed. Raises VsrError like `import_checkpoint`, not_writable, no_space."""
    from vsr.modelstore.importers.importing import import_checkpoint  # it loads PyTorch

    published = _published(entry, files, whisper)
    new_folder, old_folder = folder.with_name(f".{entry.name}.making"), folder.with_name(f".{entry.name}.old")
    for leftover in (new_folder, old_folder):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        import_checkpoint(published, new_folder, origin=_origin(entry))
        if folder.exists():
            folder.rename(old_folder)
        new_folder.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(new_folder, ignore_errors=True)
        shutil.rmtree(old_folder, ignore_errors=True)
    shutil.rmtree(folder.with_name(f"{entry.name}.files"), ignore_errors=True)
    return folder


def _published(entry: CatalogueEntry, files: dict[str, Path], whisper: str | Path | None) -> Published:
    """The checkpoint among the fetched files, and the files that belong to it."""
    from vsr.modelstore.importers.published import Published  # it loads PyTorch

    def root_file(*endings: str) -> Path | None:
        return next((path for name, path in files.items() if name.endswith(endings) and "/" not in name), None)

    return Published(
        entry.family, next(iter(files.values())), root_file(".model"), root_file("_units.txt", _dictionary(files)),
        root_file(".json"), files.get("lm/model.pth"), entry.modality, whisper,
    )  # fmt: skip


def _origin(entry: CatalogueEntry) -> dict[str, Any]:
    """The description of a published model for the folder's config."""
    published = {
        "error": entry.error, "source": entry.source, "place": entry.place, "normaliser": entry.normaliser,
    }  # fmt: skip
    licence = f"{entry.licence.terms}: {entry.licence.url}"
    about: dict[str, Any] = {"name": entry.name, "language": entry.language, "licence": licence, "published": published}
    return about | ({"decode": dict(entry.decode)} if entry.decode else {})


def _dictionary(files: dict[str, Path]) -> str:
    """The name of fairseq's dictionary among the files, as a suffix."""
    return next((name for name in files if name.startswith("dict.")), "_units.txt")
