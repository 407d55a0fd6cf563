"""Cache of arrays that a rig computes per clip, keyed by the clip's content, not only by its id."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vsr.core.artifacts import digest_of, identify
from vsr.core.files import atomic_write
from vsr.data.manifest import Clip


def cached_array(folder: Path, clip: Clip, make: Callable[[], np.ndarray], name: str = "") -> np.ndarray:
    """Return the array of ``make`` for a clip, cached under its id, ``name`` and a digest of its crop and sound.

    Raises VsrError not_writable, no_space.
    """
    sources = digest_of([identify(path) for path in (clip.crop, clip.sound) if path])
    path = folder / f"{clip.id}{name}_{sources}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        array = make()
        with atomic_write(path) as partial_path:
            np.save(partial_path, array)
    return np.load(path, allow_pickle=False)
