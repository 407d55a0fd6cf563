"""The faces of a video -> the vectors of the voices that they may have, by a voice that has learnt so
(`lip2speech face`)."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from lip2speech.models.face_voice import FaceVoice, FaceVoiceConfig, evenly
from lip2speech.models.parts import load_part
from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.face.mouth_source import MouthSource
from vsr.face.wanted import wanted_faces
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config

FACE = "face"  # folder in that of an acoustic model


def face_folder(model: str | Path) -> Path:
    """Where the network is in a voice, in its acoustic model, or in its own folder. Raises VsrError bad_model."""
    places = (Path(model) / "acoustic" / FACE, Path(model) / FACE)
    found = [place for place in places if (place / CONFIG_FILE).is_file()]
    if found:
        return found[0]
    if _is_one(Path(model)):
        return Path(model)
    place = places[0] if places[0].parent.is_dir() else places[1]
    raise VsrError("bad_model", f"{model} knows no voices of faces: train {place} with lip2speech face")


def _is_one(folder: Path) -> bool:
    own = {field.name for field in fields(FaceVoiceConfig)}
    return (folder / CONFIG_FILE).is_file() and read_config(folder)["model"].keys() <= own


def load_face_voice(model: str | Path) -> FaceVoice:
    """The network of `face_folder`. Raises VsrError bad_model."""
    return load_part(face_folder(model), FaceVoice, FaceVoiceConfig)[0]


@torch.inference_mode()
def vector_of_crop(model: FaceVoice, crop: np.ndarray) -> np.ndarray:
    """Crop (T, 96, 96) -> (256,) of length 1."""
    some = torch.from_numpy(np.ascontiguousarray(crop[evenly(len(crop), model.config.frames).numpy()]))[None]
    return model(some, torch.ones(1, some.shape[1], dtype=torch.bool))[0].numpy()


def face_vectors(
    model: FaceVoice, path: str | Path, faces: str | int = "all", watch: Watch | None = None
) -> dict[int, np.ndarray]:
    """Of each face of a video, by its number in transcripts, the mean (256,) of length 1 over where it is seen.

    Raises VsrError as `lip2speech.inference.dubbing.speak`.
    """
    source = MouthSource(path, wanted_faces(faces), watch=watch)
    sums: dict[int, np.ndarray] = {}
    for part in (part for own in source for part in own.parts):
        if not part.reason:
            crop = part.piece.crop
            sums[part.face] = sums.get(part.face, 0) + len(crop) * vector_of_crop(model, crop)
    source.check(bool(sums))
    return {face: (own / np.linalg.norm(own)).astype(np.float32) for face, own in sorted(sums.items())}
