"""Whose voice each face of a video is given, as the vectors that a voice speaks with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from lip2speech.features.speaker import DIM
from lip2speech.inference.faces import face_vectors
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.reference import FACE, Reference, before_hearing, read_reference, whose
from vsr.core.errors import VsrError

Whom: TypeAlias = "str | Path | Reference | np.ndarray | None"  # as --reference takes it, or a vector (256,)
References: TypeAlias = "Whom | Mapping[int | None, Whom]"


def speakers_of(
    loaded: LoadedVoice, reference: References, video: str | Path, faces: str | int
) -> Mapping[int | None, torch.Tensor]:
    """The vector (1, 256) to speak with, by the number of a face in transcripts.

    Raises VsrError bad_options for what names nobody; no_sound, silent_reference, short_reference, no_voice of a
    recording; no_face and bad_model where a voice goes by looks.
    """
    given = {None: None} | dict(reference if isinstance(reference, Mapping) else {None: reference})
    read = {face: _read(whom) for face, whom in given.items()}
    looks = {face for face, whom in read.items() if isinstance(whom, Reference) and whom.kind == FACE}
    vectors = {face: None if face in looks else _vector(whom, video) for face, whom in read.items()}
    if looks:
        seen = face_vectors(loaded.face_voice, video, faces)
        vectors |= {face: own for face, own in seen.items() if face in looks or (None in looks and face not in read)}
    tensors = {face: None if own is None else torch.from_numpy(own) for face, own in vectors.items()}
    speakers = {face: speaker_of(loaded, own) for face, own in tensors.items()}
    return defaultdict(lambda: speakers[None], speakers)


def _read(whom: Any) -> Reference | np.ndarray | None:
    """Whose voice it is, whatever way that is said. Raises VsrError bad_options."""
    if isinstance(whom, str | Path | Reference):
        return read_reference(whom)
    if whom is None:
        return None
    vector = np.asarray(whom, np.float32) if isinstance(whom, np.ndarray | torch.Tensor) else np.empty(0)
    if vector.shape != (DIM,) or not np.isfinite(vector).all() or not vector.any():
        raise VsrError("bad_options", f"reference {whom!r:.40}: give what --reference takes, or a vector ({DIM},)")
    return vector


def _vector(whom: Reference | np.ndarray | None, video: str | Path) -> np.ndarray | None:
    return whose(whom, video).vector if isinstance(whom, Reference) else whom


def wanted_voice(reference: str | Path | Reference | None) -> torch.Tensor | None:
    """The vector (256,) of a voice that is chosen before anything is seen or heard, as --reference names it; None: the
    model's own. Raises VsrError as `before_hearing`."""
    return torch.from_numpy(before_hearing(read_reference(reference))) if reference else None


def speaker_of(loaded: LoadedVoice, vector: torch.Tensor | None) -> torch.Tensor:
    """The vector (1, 256) to speak with, on the model's device; None: the model's own voice."""
    given = loaded.voice.default_speaker if vector is None else vector
    return given.to(loaded.voice.mel_mean.device)[None]
