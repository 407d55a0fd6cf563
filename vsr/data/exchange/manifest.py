"""The toolkit's own JSON Lines: reads a manifest; writes a folder with manifest.jsonl, mouth videos as .npy crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.core.files import atomic_write
from vsr.data.exchange.convert import Settings
from vsr.data.exchange.roi import load_crop
from vsr.data.manifest import Clip, read_manifest, write_manifest


def read(path: Path, settings: Settings) -> list[Clip]:
    """The clips of a manifest."""
    return read_manifest(path)


def write(clips: list[Clip], out: Path, settings: Settings) -> list[Clip]:
    """``out/manifest.jsonl``, whose clips are returned; crops that are not .npy yet become ``out/<id>.npy``."""
    stored = [_with_crop(clip, out, settings) for clip in clips]
    write_manifest(out / "manifest.jsonl", stored)
    return stored


def crop_file(clip: Clip, out: Path, settings: Settings) -> Path | None:
    """The file of a clip's crop, None where it stays where it is."""
    return None if not clip.crop or clip.crop.endswith(".npy") else out / f"{clip.id}.npy"


def _with_crop(clip: Clip, out: Path, settings: Settings) -> Clip:
    path = crop_file(clip, out, settings)
    if path is None:
        return clip
    crop = load_crop(clip)
    with atomic_write(path) as temporary:
        np.save(temporary, crop)
    return replace(clip, crop=str(path), num_frames=len(crop))
