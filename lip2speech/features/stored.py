"""Reads the features of clips from disk (`lip2speech.features.corpus` writes them)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from lip2speech.features.pitch import pitch
from lip2speech.features.speaker import DIM
from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import read_json
from vsr.data.manifest import Clip
from vsr.media.mel import NUM_MELS

REFUSED = "refused.json"


@dataclass
class Features:
    """wave (640 T,) float32; mel (4T, 80) float32; units (2T,) int64; speaker (256,) float32."""

    wave: Tensor
    mel: Tensor
    units: Tensor
    speaker: Tensor

    def f0(self) -> np.ndarray:
        """Pitch of the wave, (4T,) Hz, 0 where unvoiced. Raises VsrError missing_package."""
        return pitch(self.wave.numpy())


def load_features(folder: str | Path, clip: Clip) -> Features:
    """The features of a clip. Raises VsrError bad_features where they are missing, damaged or of another length."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / f"{clip.id}.safetensors"
    try:
        stored = load_file(str(path))
        wave, mel, units, speaker = (stored[name] for name in ("wave", "mel", "units", "speaker"))
    except FileNotFoundError as error:
        raise VsrError("bad_features", f"{path} is not there: run lip2speech features") from error
    except (OSError, KeyError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} cannot be read: {cause_of(error)}") from error
    frames = clip.num_frames
    shapes = ((frames * SAMPLES_PER_FRAME,), (frames * MELS_PER_FRAME, NUM_MELS), (frames * UNITS_PER_FRAME,), (DIM,))
    if tuple(tuple(t.shape) for t in (wave, mel, units, speaker)) != shapes:
        raise VsrError("bad_features", f"{path} does not fit the clip's {frames} frames: delete it and run again")
    if not (mel.isfinite().all() and speaker.isfinite().all()):
        raise VsrError("bad_features", f"{path} holds values that are not finite: delete it and run again")
    return Features(wave.float() / 32767, mel, units.long(), speaker)


def featured(name: str, clips: Sequence[Clip], folder: str | Path, say: Callable[[str], None]) -> list[Clip]:
    """The clips of a list that have features; ``say`` reports the others. Raises VsrError bad_features for none."""
    usable, note = with_features(clips, folder)
    if not usable:
        raise VsrError("bad_features", f"{name}: {note}")
    if note:
        say(f"{name}: {note}")
    return usable


class StoredFeatures:
    """The features of clips, read on access: those of LRS3 are 50 GB.

    Raises VsrError bad_features where a file is missing, and on access where it is damaged.
    """

    def __init__(self, folder: str | Path, clips: Sequence[Clip]):
        self.folder, self.clips = Path(folder), clips
        for clip in clips:
            if not self._path(clip).is_file():
                raise VsrError("bad_features", f"{self._path(clip)} is not there: run lip2speech features")

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Features:
        return load_features(self.folder, self.clips[index])

    def speaker(self, index: int) -> Tensor:
        """The speaker vector (256,) of a clip, without reading the rest. Raises VsrError bad_features."""
        from safetensors import SafetensorError, safe_open

        path = self._path(self.clips[index])
        try:
            with safe_open(str(path), framework="pt") as stored:
                return stored.get_tensor("speaker")
        except (OSError, SafetensorError) as error:
            raise VsrError("bad_features", f"{path} cannot be read: {cause_of(error)}") from error

    def _path(self, clip: Clip) -> Path:
        return self.folder / f"{clip.id}.safetensors"


def refused_clips(folder: str | Path) -> dict[str, dict]:
    """Clip id -> reason and message, for clips whose features could not be extracted."""
    path = Path(folder) / REFUSED
    return read_json(path)["clips"] if path.is_file() else {}


def with_features(clips: Sequence[Clip], folder: str | Path) -> tuple[list[Clip], str]:
    """The clips that were not refused, and a sentence about those that were ("" if there are none)."""
    refused = refused_clips(folder)
    usable = [clip for clip in clips if clip.id not in refused]
    reasons = Counter(refused[clip.id]["reason"] for clip in clips if clip.id in refused)
    note = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return usable, f"{len(clips) - len(usable)} of {len(clips)} clips have no features: {note}" if note else ""
