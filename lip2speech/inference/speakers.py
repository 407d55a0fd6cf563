"""The speaker embedding with which each face of a video is voiced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from lip2speech.features.speaker import DIM
from lip2speech.inference.face_voices import face_vectors
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.reference import FACE, Reference, fixed_embedding, read_reference, reference_voice
from vsr.core.errors import VsrError

ReferenceLike: TypeAlias = "str | Path | Reference | np.ndarray | None"  # as --reference takes it, or a vector (256,)
References: TypeAlias = "ReferenceLike | Mapping[int | None, ReferenceLike]"


def speakers_of(
    loaded: LoadedVoice, reference: References, video: str | Path, faces: str | int
) -> Mapping[int | None, torch.Tensor]:
    """The speaker embedding (1, 256) of each face, by the number of the face in transcripts.

    Raises VsrError bad_options for a reference that is no voice; no_sound, silent_reference, short_reference, no_voice
    for a recording; no_face and bad_model where a voice is derived from a face.
    """
    references = {None: None} | dict(reference if isinstance(reference, Mapping) else {None: reference})
    parsed = {face: _parse(voice) for face, voice in references.items()}
    from_looks = {face for face, voice in parsed.items() if isinstance(voice, Reference) and voice.kind == FACE}
    vectors = {face: None if face in from_looks else _vector(voice, video) for face, voice in parsed.items()}
    if from_looks:
        embeddings = face_vectors(loaded.face_voice, video, faces)
        vectors |= {
            face: vector
            for face, vector in embeddings.items()
            if face in from_looks or (None in from_looks and face not in parsed)
        }
    tensors = {face: None if vector is None else torch.from_numpy(vector) for face, vector in vectors.items()}
    speakers = {face: speaker_of(loaded, vector) for face, vector in tensors.items()}
    return defaultdict(lambda: speakers[None], speakers)


def _parse(reference: Any) -> Reference | np.ndarray | None:
    """Parse a reference: text, path, `Reference` or vector (256,). Raises VsrError bad_options."""
    if isinstance(reference, str | Path | Reference):
        return read_reference(reference)
    if reference is None:
        return None
    vector = np.asarray(reference, np.float32) if isinstance(reference, np.ndarray | torch.Tensor) else np.empty(0)
    if vector.shape != (DIM,) or not np.isfinite(vector).all() or not vector.any():
        raise VsrError("bad_options", f"reference {reference!r:.40}: give what --reference takes, or a vector ({DIM},)")
    return vector


def _vector(reference: Reference | np.ndarray | None, video: str | Path) -> np.ndarray | None:
    return reference_voice(reference, video).vector if isinstance(reference, Reference) else reference


def reference_embedding(reference: str | Path | Reference | None) -> torch.Tensor | None:
    """The embedding (256,) of a ``--reference`` that needs no input video or sound; None: the model's own voice.
    Raises VsrError as `fixed_embedding`."""
    return torch.from_numpy(fixed_embedding(read_reference(reference))) if reference else None


def speaker_of(loaded: LoadedVoice, vector: torch.Tensor | None) -> torch.Tensor:
    """The speaker embedding (1, 256) on the model's device; None: the model's own voice."""
    embedding = loaded.voice.default_speaker if vector is None else vector
    return embedding.to(loaded.voice.mel_mean.device)[None]
