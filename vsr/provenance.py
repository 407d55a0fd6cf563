"""What a transcript was made from, and with what: enough to tell that it belongs to a video, and to make it again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr import __version__
from vsr.decode.options import DecodeOptions

if TYPE_CHECKING:
    from vsr.hub import LoadedModel


def provenance(
    loaded: LoadedModel, path: str | Path, options: DecodeOptions, faces: int | None, stream: dict | None = None
) -> dict[str, Any]:
    """As it stands in the JSON of transcripts; ``faces``: how many were chosen in each shot, None for all; ``stream``:
    which video was read, where the file holds several."""
    video = {"bytes": Path(path).stat().st_size, "sha256": sha256_of(path)}
    video |= {"stream": stream} if stream else {}
    model = {"name": loaded.name, "sha256": loaded.weights_sha256}
    return {"vsr": __version__, "video": video, "model": model, "search": asdict(options), "faces": faces or "all"}


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
