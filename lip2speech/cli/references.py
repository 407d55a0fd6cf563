"""The values WHO and N=WHO of --reference, and their speaker embeddings."""

from __future__ import annotations

import sys
from pathlib import Path

from lip2speech.inference.reference import Reference, read_reference


def references_of(values: list[str]) -> dict[int | None, Reference]:
    """Parse WHO and N=WHO to references by the number of the face, None for all others. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError

    references: dict[int | None, Reference] = {}
    for text in values:
        number, _, path = text.partition("=")
        numbered = path and number.isascii() and number.isdigit() and not Path(text).exists()
        face, path = (int(number), path) if numbered else (None, text)
        if face in references:
            who = "all faces" if face is None else f"face {face}"
            raise VsrError("bad_options", f"--reference is given twice for {who}")
        references[face] = read_reference(path)
    return references


def resolve_reference(reference: Reference, video: str, model: str | None):
    """The speaker embedding (256,) of a reference, or the reference itself for a face; prints its note to stderr.

    Raises VsrError.
    """
    from lip2speech.inference.reference import FACE, reference_voice

    if reference.kind == FACE:
        from lip2speech.inference.face_voices import face_folder
        from lip2speech.inference.folder import find_model

        face_folder(find_model(model))
        return reference

    voice = reference_voice(reference, video)
    if voice.note:
        print(f"lip2speech: {video}: {voice.note}", file=sys.stderr)
    return voice.vector
