"""The number of faces, as given by a program."""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.numbers import is_number
from vsr.face.speaker_selection import number_of_faces


def checked_face_count(faces: Any) -> int | None:
    """`number_of_faces` for a value of any type: NumPy integers are accepted; booleans, which could mean one face or
    all, are refused. Raises VsrError bad_options."""
    if isinstance(faces, str):
        return number_of_faces(faces)
    if is_number(faces):
        with suppress(TypeError):
            return number_of_faces(operator.index(faces))
    raise VsrError("bad_options", f"faces is {faces!r}; it can be 'largest', 'all' or a number from 1 on")
