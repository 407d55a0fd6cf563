"""The files of a published model -> the folder that the store keeps of it, all of it or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.core.files import write_error
from vsr.modelstore.entry import Known

if TYPE_CHECKING:
    from vsr.modelstore.importers.published import Published


def convert(known: Known, files: dict[str, Path], folder: Path, whisper: str | Path | None = None) -> Path:
    """Import a published model's files into a folder beside, which takes the name when it is whole; what was fetched is
    removed then. Raises VsrError as `import_checkpoint`, not_writable, no_space."""
    from vsr.modelstore.importers.importing import import_checkpoint  # it loads PyTorch

    given = _published(known, files, whisper)
    making, gone = folder.with_name(f".{known.name}.making"), folder.with_name(f".{known.name}.old")
    for leftover in (making, gone):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        import_checkpoint(given, making, origin=_about(known))
        if folder.exists():
            folder.rename(gone)
        making.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(folder.with_name(f"{known.name}.files"), ignore_errors=True)
    return folder


def _published(known: Known, files: dict[str, Path], whisper: str | Path | None) -> Published:
    """The checkpoint among the files that were fetched, and what belongs to it."""
    from vsr.modelstore.importers.published import Published  # it loads PyTorch

    def named(*endings: str) -> Path | None:
        return next((path for name, path in files.items() if name.endswith(endings) and "/" not in name), None)

    return Published(
        known.family, next(iter(files.values())), named(".model"), named("_units.txt", _dictionary(files)),
        named(".json"), files.get("lm/model.pth"), known.modality, whisper,
    )  # fmt: skip


def _about(known: Known) -> dict[str, Any]:
    """What the folder's config says of a published model."""
    published = {
        "error": known.error, "source": known.source, "place": known.place, "normaliser": known.normaliser,
    }  # fmt: skip
    licence = f"{known.licence.terms}: {known.licence.url}"
    about: dict[str, Any] = {"name": known.name, "language": known.language, "licence": licence, "published": published}
    return about | ({"decode": dict(known.decode)} if known.decode else {})


def _dictionary(files: dict[str, Path]) -> str:
    """The ending of fairseq's dictionary among the files."""
    return next((name for name in files if name.startswith("dict.")), "_units.txt")
