"""Whose voice it is to be: what `--reference` names, and the vector (256,) that stands for it."""

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
RESERVED = (OWN, ANONYMOUS, FACE)  # no voice is saved by these names
UNHEARD = {"no_sound", "silent_reference", "short_reference", "no_voice"}  # reasons why a sound has no speaker
MOST = 300.0  # seconds of a video's own sound that are listened to


@dataclass(frozen=True)
class Reference:
    """One of: the sound of what is voiced itself; nobody, by seed; the looks of the face; a saved voice, by name; a
    recording, by path."""

    kind: str
    value: str = ""
    seed: int = 0

    @property
    def file(self) -> str | None:
        """The recording that is read, if it is one."""
        return self.value if self.kind == FILE else None

    @property
    def is_somebody(self) -> bool:
        """Whether it is a person's voice, so that consent is needed."""
        return self.kind != ANONYMOUS


def files_of(reference: Reference | None) -> tuple[str, ...]:
    """The recordings that are read of it."""
    return (reference.file,) if reference and reference.file else ()


@dataclass(frozen=True)
class Whose:
    """vector (256,) of length 1; note: what the user should know of it, if anything."""

    vector: np.ndarray
    note: str = ""


def read_reference(given: str | Path | Reference) -> Reference:
    """``own``, ``anonymous[:SEED]``, ``face``, the name of a saved voice or a file; a file called so is ``./own``.

    Raises VsrError bad_options: a seed that is none, a name by which no voice is saved.
    """
    if isinstance(given, Reference):
        return given
    text = str(given)
    if not text.strip():
        raise VsrError("bad_options", "the reference is empty: name a recording, own, anonymous, face or a saved voice")
    if isinstance(given, Path):
        return Reference(FILE, text)
    if text in (OWN, FACE):
        return Reference(text)
    if (seed := seed_of(text)) is not None:
        return Reference(ANONYMOUS, seed=seed)
    if not is_name(text) or Path(text).exists():
        return Reference(FILE, text)
    saved_vector(text)  # is quick to refuse
    return Reference(SAVED, text)


def before_hearing(reference: Reference) -> np.ndarray:
    """The vector (256,) of a voice that is chosen before anything is seen or heard: saved, recorded, or nobody's, which
    is then far from nobody in particular.

    Raises VsrError: bad_options for ``own`` and ``face``; of recordings as `whose`.
    """
    if reference.kind in (OWN, FACE):
        known = "give a recording, a saved voice or anonymous"
        raise VsrError("bad_options", f"--reference {reference.kind}: nobody has been seen or heard before; {known}")
    if reference.kind == ANONYMOUS:
        return anonymous_vector(shipped_pool(), None, reference.seed)
    return whose(reference, "").vector


def whose(reference: Reference, source: str | Path, pool: Sequence[np.ndarray] | None = None) -> Whose:
    """The voice to speak with; that of a face depends on which (`lip2speech.inference.faces`).

    Args:
        source: what is voiced, a recording or a video, whose own sound ``own`` and ``anonymous`` listen to.
        pool: vectors of voices that nobody's is made of; None: those in the package.

    Raises VsrError: bad_options; of recordings: unreadable, no_sound, silent_reference, short_reference, no_voice.
    """
    from lip2speech.features.speaker import reference_vector

    if reference.kind == FACE:
        raise VsrError("bad_options", f"{source}: a voice from a face needs a video whose faces are voiced")
    if reference.kind == SAVED:
        return Whose(saved_vector(reference.value))
    if reference.kind == FILE:
        return Whose(reference_vector(reference.value))
    if reference.kind == OWN:
        return Whose(reference_vector(source, MOST))
    try:
        own, note = reference_vector(source, MOST), ""
    except VsrError as error:
        if error.reason not in UNHEARD:
            raise
        own, note = None, "its own sound holds no voice: the anonymous one was not chosen to be far from it"
    return Whose(anonymous_vector(shipped_pool() if pool is None else pool, own, reference.seed), note)
