"""Voices that a user has saved by name, as GE2E speaker embeddings in the user's configuration folder.

The folder is `lip2speech` in XDG_CONFIG_HOME, else in APPDATA (Windows), else in `~/.config`; a voice is
`voices/NAME.json` there, for its owner alone.
"""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.core.errors import VsrError
from vsr.core.files import made_folder, read_json, write_json

if TYPE_CHECKING:
    import numpy as np

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
DIM = 256  # of a vector


def user_folder() -> Path:
    """The folder of the user's saved voices and consent."""
    local = os.environ.get("XDG_CONFIG_HOME") or (os.environ.get("APPDATA") if os.name == "nt" else None)
    return Path(local or Path.home() / ".config") / "lip2speech"


def is_name(text: str) -> bool:
    """Whether the text is valid as the name of a voice."""
    return NAME.fullmatch(text) is not None


def saved_names() -> list[str]:
    """The names of all saved voices."""
    return sorted(path.stem for path in (user_folder() / "voices").glob("*.json") if is_name(path.stem))


def save_voice_as(name: str, vector: np.ndarray, source: str) -> Path:
    """Save an embedding (256,), with the name of its recording (``source``) for the list. Raises VsrError exists,
    not_writable."""
    path = _path_of(name)
    if path.exists():
        raise VsrError("exists", f"a voice called {name} is saved: lip2speech voices remove {name}, or another name")
    today = datetime.date.today().isoformat()
    record = {"from": source, "saved": today, "vector": [round(float(value), 6) for value in vector]}
    with made_folder(path.parent, 0o700):
        write_json(path, record)
    return path


def saved_vector(name: str) -> np.ndarray:
    """The embedding (256,) of length 1 of a saved voice. Raises VsrError bad_options, bad_model for a damaged file."""
    import numpy as np

    names = saved_names()
    if name not in names:
        voices = f"saved: {', '.join(names)}" if names else "none is saved: lip2speech voices add NAME FILE"
        raise VsrError("bad_options", f"{name}: no such file, and no saved voice has that name ({voices})")
    record = saved_record(name)
    vector = np.asarray(record["vector"], np.float32)
    return vector / np.linalg.norm(vector)


def saved_record(name: str) -> dict:
    """The record of a saved voice: from, saved, vector. Raises VsrError bad_model."""
    import numpy as np

    path = _path_of(name)
    try:
        record = read_json(path)
        vector = np.asarray(record["vector"], float)
        is_valid = vector.shape == (DIM,) and bool(np.isfinite(vector).all()) and bool(np.any(vector))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VsrError("bad_model", f"{path} holds no voice") from error
    if not is_valid:
        raise VsrError("bad_model", f"{path} holds no voice: {DIM} numbers are needed")
    return record


def remove_voice(name: str) -> None:
    """Delete a saved voice. Raises VsrError bad_options if there is none of that name."""
    if name not in saved_names():
        raise VsrError("bad_options", f"no saved voice is called {name}: lip2speech voices lists them")
    _path_of(name).unlink()


def _path_of(name: str) -> Path:
    return user_folder() / "voices" / f"{name}.json"
