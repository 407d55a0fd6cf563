"""Whose voice: WHO and N=WHO of --reference, and what is heard of them."""

from __future__ import annotations

import sys
from pathlib import Path

from lip2speech.inference.reference import Reference, read_reference


def references_of(given: list[str]) -> dict[int | None, Reference]:
    """WHO and N=WHO -> references by the number of the face, None for all others. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError

    found: dict[int | None, Reference] = {}
    for text in given:
        number, _, path = text.partition("=")
        numbered = path and number.isascii() and number.isdigit() and not Path(text).exists()
        face, path = (int(number), path) if numbered else (None, text)
        if face in found:
            who = "all faces" if face is None else f"face {face}"
            raise VsrError("bad_options", f"--reference is given twice for {who}")
        found[face] = read_reference(path)
    return found


def heard(reference: Reference, video: str, model: str | None):
    """The vector (256,) of whom a reference names, itself for the looks of a face; says what there is to know of it.

    Raises VsrError.
    """
    from lip2speech.inference.reference import FACE, whose

    if reference.kind == FACE:
        from lip2speech.inference.faces import face_folder
        from lip2speech.inference.folder import find_model

        face_folder(find_model(model))
        return reference

    found = whose(reference, video)
    if found.note:
        print(f"lip2speech: {video}: {found.note}", file=sys.stderr)
    return found.vector
