"""The reference voice: what `--reference` names, and its speaker embedding (256,)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lip2speech.inference.anonymous import anonymous_vector, seed_of, shipped_pool
from lip2speech.inference.saved_voices import is_name, saved_vector
from vsr.core.errors import VsrError

if TYPE_CHECKING:
    import numpy as np

OWN, ANONYMOUS, FACE, SAVED, FILE = "own", "anonymous", "face", "saved", "file"
RESERVED = (OWN, ANONYMOUS, FACE)  # names that no saved voice can have
NO_EMBEDDING = {"no_sound", "silent_reference", "short_reference", "no_voice"}  # reasons why a sound gives no embedding
MAX_SECONDS = 300.0  # seconds of a video's own sound that are used


@dataclass(frozen=True)
class Reference:
    """The kind of a reference: the input's own sound; an anonymous voice, by seed; the looks of the face; a saved
    voice, by name; a recording, by path."""

    kind: str
    value: str = ""
    seed: int = 0

    @property
    def file(self) -> str | None:
        """The path of the recording, if the reference is one."""
        return self.value if self.kind == FILE else None

    @property
    def is_somebody(self) -> bool:
        """Whether it is the voice of a person, so that consent is needed."""
        return self.kind != ANONYMOUS


def files_of(reference: Reference | None) -> tuple[str, ...]:
    """The recordings that a reference reads."""
    return (reference.file,) if reference and reference.file else ()


@dataclass(frozen=True)
class ReferenceVoice:
    """vector (256,) of length 1; note: a message for the user about it, or ""."""

    vector: np.ndarray
    note: str = ""


def read_reference(value: str | Path | Reference) -> Reference:
    """Parse ``own``, ``anonymous[:SEED]``, ``face``, the name of a saved voice or a file (one named own is ``./own``).

    Raises VsrError bad_options: an invalid seed, a name that no saved voice has.
    """
    if isinstance(value, Reference):
        return value
    text = str(value)
    if not text.strip():
        raise VsrError("bad_options", "the reference is empty: name a recording, own, anonymous, face or a saved voice")
    if isinstance(value, Path):
        return Reference(FILE, text)
    if text in (OWN, FACE):
        return Reference(text)
    if (seed := seed_of(text)) is not None:
        return Reference(ANONYMOUS, seed=seed)
    if not is_name(text) or Path(text).exists():
        return Reference(FILE, text)
    saved_vector(text)  # refuses an unknown name early
    return Reference(SAVED, text)


def fixed_embedding(reference: Reference) -> np.ndarray:
    """The embedding (256,) of a reference that does not depend on the input: saved, recorded, or anonymous without a
    source to be far from.

    Raises VsrError: bad_options for ``own`` and ``face``; for recordings as `reference_voice`.
    """
    if reference.kind in (OWN, FACE):
        hint = "give a recording, a saved voice or anonymous"
        raise VsrError("bad_options", f"--reference {reference.kind}: nobody has been seen or heard before; {hint}")
    if reference.kind == ANONYMOUS:
        return anonymous_vector(shipped_pool(), None, reference.seed)
    return reference_voice(reference, "").vector


def reference_voice(
    reference: Reference, source: str | Path, pool: Sequence[np.ndarray] | None = None
) -> ReferenceVoice:
    """The voice to speak with, for every kind but ``face`` (see `lip2speech.inference.face_voices`).

    Args:
        source: the input, a recording or a video, whose own sound ``own`` and ``anonymous`` use.
        pool: embeddings from which an anonymous voice is averaged; None: those in the package.

    Raises VsrError: bad_options; for recordings: unreadable, no_sound, silent_reference, short_reference, no_voice.
    """
    from lip2speech.features.speaker import reference_vector

    if reference.kind == FACE:
        raise VsrError("bad_options", f"{source}: a voice from a face needs a video whose faces are voiced")
    if reference.kind == SAVED:
        return ReferenceVoice(saved_vector(reference.value))
    if reference.kind == FILE:
        return ReferenceVoice(reference_vector(reference.value))
    if reference.kind == OWN:
        return ReferenceVoice(reference_vector(source, MAX_SECONDS))
    try:
        source_vector, note = reference_vector(source, MAX_SECONDS), ""
    except VsrError as error:
        if error.reason not in NO_EMBEDDING:
            raise
        source_vector, note = None, "its own sound holds no voice: the anonymous one was not chosen to be far from it"
    return ReferenceVoice(
        anonymous_vector(shipped_pool() if pool is None else pool, source_vector, reference.seed), note
    )
