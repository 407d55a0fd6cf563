"""What a rig makes once of every clip and keeps: found again by what the clip holds, not by its id alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vsr.core.artifacts import digest_of, identify
from vsr.core.files import atomic_write
from vsr.data.manifest import Clip


def made_once(folder: Path, clip: Clip, make: Callable[[], np.ndarray], name: str = "") -> np.ndarray:
    """The array that ``make`` gives for a clip, kept under its id, ``name`` and the content of its crop and its sound.

    Raises VsrError not_writable, no_space.
    """
    sources = digest_of([identify(path) for path in (clip.crop, clip.sound) if path])
    path = folder / f"{clip.id}{name}_{sources}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = make()
        with atomic_write(path) as whole:
            np.save(whole, made)
    return np.load(path, allow_pickle=False)
