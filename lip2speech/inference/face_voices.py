"""Voices from faces: the network that predicts a speaker embedding from a face (trained by `lip2speech face`), and the
embeddings of the faces of a video."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from lip2speech.models.face_voice import FaceVoice, FaceVoiceConfig, evenly_spaced
from lip2speech.models.parts import load_part
from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.face.face_count import checked_face_count
from vsr.face.mouth_source import MouthSource
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config

FACE = "face"  # its folder in that of an acoustic model


def face_folder(model: str | Path) -> Path:
    """The network's folder, given that of a voice, of an acoustic model, or itself. Raises VsrError bad_model."""
    places = (Path(model) / "acoustic" / FACE, Path(model) / FACE)
    folders = [place for place in places if (place / CONFIG_FILE).is_file()]
    if folders:
        return folders[0]
    if _is_one(Path(model)):
        return Path(model)
    place = places[0] if places[0].parent.is_dir() else places[1]
    raise VsrError("bad_model", f"{model} knows no voices of faces: train {place} with lip2speech face")


def _is_one(folder: Path) -> bool:
    settings = {field.name for field in fields(FaceVoiceConfig)}
    return (folder / CONFIG_FILE).is_file() and read_config(folder)["model"].keys() <= settings


def load_face_voice(model: str | Path) -> FaceVoice:
    """Load the network of `face_folder`. Raises VsrError bad_model."""
    return load_part(face_folder(model), FaceVoice, FaceVoiceConfig)[0]


@torch.inference_mode()
def vector_of_crop(model: FaceVoice, crop: np.ndarray) -> np.ndarray:
    """Crop (T, 96, 96) -> speaker embedding (256,) of length 1."""
    frames = torch.from_numpy(np.ascontiguousarray(crop[evenly_spaced(len(crop), model.config.frames).numpy()]))[None]
    return model(frames, torch.ones(1, frames.shape[1], dtype=torch.bool))[0].numpy()


def face_vectors(
    model: FaceVoice, path: str | Path, faces: str | int = "all", watch: Watch | None = None
) -> dict[int, np.ndarray]:
    """The mean speaker embedding (256,) of length 1 of each face of a video, by its number in transcripts.

    Raises VsrError as `lip2speech.inference.dubbing.speak`.
    """
    source = MouthSource(path, checked_face_count(faces), watch=watch)
    sums: dict[int, np.ndarray] = {}
    for part in (part for block in source for part in block.parts):
        if not part.reason:
            crop = part.piece.crop
            sums[part.face] = sums.get(part.face, 0) + len(crop) * vector_of_crop(model, crop)
    source.check(bool(sums))
    return {face: (total / np.linalg.norm(total)).astype(np.float32) for face, total in sorted(sums.items())}
