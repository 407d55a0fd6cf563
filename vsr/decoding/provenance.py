"""What a transcript was made from, and with what: enough to know that it belongs to a video, and to make it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.core.artifacts import digest_of, essence, identify, identify_folder, sha256_of
from vsr.core.errors import VsrError
from vsr.core.machine import FLOAT32
from vsr.core.version import __version__
from vsr.decoding.options import DecodeOptions
from vsr.modelstore.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_config

FILES = ("hotwords", "lexicon")  # options that name a file, and no model

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def provenance(
    loaded: LoadedModel, path: str | Path, options: DecodeOptions, faces: int | None, stream: dict | None = None
) -> dict[str, Any]:
    """As it stands in the JSON of transcripts; ``faces``: how many were chosen in each shot, None for all; ``stream``:
    which video was read, where the file holds several."""
    video = video_of(path) | ({"stream": stream} if stream else {})
    made = searched(loaded.folder, options, loaded.hashes, loaded.precision)
    return {"video": video} | made | {"faces": faces or "all"}


def video_of(path: str | Path) -> dict[str, Any]:
    """Which video a file is, to the byte. Raises OSError."""
    return {"bytes": Path(path).stat().st_size, "sha256": sha256_of(path)}


def searched(
    folder: Path, options: DecodeOptions, known: dict | None = None, precision: str = FLOAT32
) -> dict[str, Any]:
    """The version, the model and the search: weights and language models by their files, whatever their names.

    A ``precision`` that is lower than float32 is named; without one it was float32.
    ``known`` keeps what does not change while a model is loaded. Raises VsrError for what is no model.
    """
    known = {} if known is None else known
    named = {"lm": options.lm, "ngram": options.ngram, "hotwords": options.hotwords, "lexicon": options.lexicon}
    if "" not in known:
        known[""] = _model(folder)
    for kind, name in named.items():
        if name not in known:
            known[name] = _language(kind, name)
    languages = {kind: known[name] for kind, name in named.items() if name}
    search = {name: value for name, value in asdict(options).items() if name != "head"}
    if options.head:  # it is searched by itself
        search = {"head": options.head, "nbest": options.nbest}
    made = {"vsr": __version__} | known[""] | {"search": search}
    made |= {} if precision == FLOAT32 else {"precision": precision}
    return made | {"languages": languages} if languages else made


def _model(folder: Path) -> dict[str, Any]:
    """Name and weights; settings: of what else is in the folder, such as the tokenizer and the fitted confidence."""
    files = identify_folder(folder)
    config = read_config(folder)
    weights = files.pop(WEIGHTS_FILE, {}).get("sha256", "")
    settings = digest_of([config, {name: own for name, own in files.items() if name != CONFIG_FILE}])
    return {"model": {"name": str(config.get("name") or folder.name), "sha256": weights}, "settings": settings}


def _language(kind: str, name: str) -> Any:
    """What identifies a language model: its one file, or those of its folder."""
    from vsr.modelstore.folder import find_model

    if kind in FILES and not Path(name).exists():
        raise VsrError("bad_config", f"--{kind} {name}: no such file")
    folder = Path(name) if Path(name).is_file() else find_model(name)
    return essence(identify(folder) if folder.is_file() else identify_folder(folder))
