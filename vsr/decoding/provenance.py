"""Provenance of a transcript: enough to tell that it belongs to a video, and to make it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.core.artifacts import digest_of, essence, identify, identify_folder
from vsr.core.errors import VsrError
from vsr.core.machine import FLOAT32
from vsr.core.one_output import content_of
from vsr.core.version import __version__
from vsr.decoding.options import DecodeOptions
from vsr.modelstore.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_config

FILES = ("hotwords", "lexicon")  # options that name a file, and no model

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def provenance(
    loaded: LoadedModel, path: str | Path, options: DecodeOptions, faces: int | None, stream: dict | None = None
) -> dict[str, Any]:
    """Provenance as written in the JSON of transcripts. ``faces``: number of faces chosen per shot, None for all;
    ``stream``: the video stream that was read, where the file holds several."""
    video = content_of(path) | ({"stream": stream} if stream else {})
    record = search_record(loaded.folder, options, loaded.hashes, loaded.precision)
    return {"video": video} | record | {"faces": faces or "all"}


def check_unchanged(path: str | Path, size: int) -> None:
    """Refuse a video that is no longer of ``size`` bytes, as its end was not read. Raises VsrError unreadable."""
    path = Path(path)
    now = path.stat().st_size if path.exists() else size
    if now != size:
        message = f"changed from {size:,} to {now:,} bytes while it was read: read it again when it is finished"
        raise VsrError("unreadable", f"{path}: {message}")


def search_record(
    folder: Path, options: DecodeOptions, recorded: dict | None = None, precision: str = FLOAT32
) -> dict[str, Any]:
    """Record of version, model and search; weights and language models are identified by their files, not their names.

    ``precision`` is recorded only if it is lower than float32. ``recorded`` caches what does not change while a model
    is loaded. Raises VsrError for a folder or file that is not a model.
    """
    recorded = {} if recorded is None else recorded
    names = {"lm": options.lm, "ngram": options.ngram, "hotwords": options.hotwords, "lexicon": options.lexicon}
    if "" not in recorded:
        recorded[""] = _model(folder)
    for kind, name in names.items():
        if name not in recorded:
            recorded[name] = _language(kind, name)
    languages = {kind: recorded[name] for kind, name in names.items() if name}
    search = {name: value for name, value in asdict(options).items() if name != "head"}
    if options.head:  # it is searched by itself
        search = {"head": options.head, "nbest": options.nbest}
    record = {"vsr": __version__} | recorded[""] | {"search": search}
    record |= {} if precision == FLOAT32 else {"precision": precision}
    return record | {"languages": languages} if languages else record


def _model(folder: Path) -> dict[str, Any]:
    """Name and hash of the weights; "settings" is a hash of the rest, such as tokenizer and confidence calibration."""
    files = identify_folder(folder)
    config = read_config(folder)
    weights = files.pop(WEIGHTS_FILE, {}).get("sha256", "")
    settings = digest_of([config, {name: entry for name, entry in files.items() if name != CONFIG_FILE}])
    return {"model": {"name": str(config.get("name") or folder.name), "sha256": weights}, "settings": settings}


def _language(kind: str, name: str) -> Any:
    """The identity of a language model: of its single file, or of the files in its folder."""
    from vsr.modelstore.folder import find_model

    if kind in FILES and not Path(name).exists():
        raise VsrError("bad_config", f"--{kind} {name}: no such file")
    folder = Path(name) if Path(name).is_file() else find_model(name)
    return essence(identify(folder) if folder.is_file() else identify_folder(folder))
