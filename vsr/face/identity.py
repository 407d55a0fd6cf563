"""The same person gets the same label: tracks of all shots and blocks -> faces 0, 1, 2 in the order they appear.

Tracks themselves never join two people. Here a track is given a label that was used before only where the face looks
alike (histograms of oriented gradients of the upright face, Dalal and Triggs 2005) beyond what two people reach, or
nearly so and it is where that person was a moment ago, in the same shot. On the eleven clips of other people and eight
speakers of GRID that this was set on, two people's faces never passed; a person seen from another side may get a label
again. This is no face recognition, and keeps nothing beyond the video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from vsr.face.piece import LOOK, Piece

ALIKE = 0.93  # two people reached 0.927
NEARBY_ALIKE = 0.8
NEARBY_SECONDS, NEARBY_SIZES = 10.0, 1.5
NEW_LOOK = 0.97  # a look this close to a known one adds nothing
MAX_LOOKS = 12


@dataclass(frozen=True)
class Person:
    """A label, some looks (64 x 64 gray pixels each), and where the face was last: (shot, seconds, x, y, size).

    Raises ValueError for looks of another size.
    """

    face: int
    looks: tuple[bytes, ...] = ()
    place: tuple[int, float, float, float, float] = (-1, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self):
        if any(len(look) != LOOK * LOOK for look in self.looks):
            raise ValueError(f"a look of a person is not {LOOK} x {LOOK} pixels")


class People:
    """Everybody seen so far in a video."""

    def __init__(self) -> None:
        self.persons: list[Person] = []

    def update(self, persons: Iterable[Person]) -> None:
        """Put persons from a journal in place of what was known of them."""
        known = {person.face: person for person in (*self.persons, *persons)}
        self.persons = [known[face] for face in sorted(known)]

    def label(self, pieces: list[Piece], first_shot: int) -> list[int]:
        """A face for each piece of a block whose shots count from `first_shot`; no two pieces at a time share one."""
        faces: dict[int, int] = {}
        for index in sorted(range(len(pieces)), key=lambda i: (pieces[i].start, -pieces[i].weight)):
            taken = {faces[i] for i in faces if _meet(pieces[i], pieces[index])}
            person = self._find(pieces[index], first_shot, taken) or Person(len(self.persons))
            self.update([_seen(person, pieces[index], first_shot)])
            faces[index] = person.face
        return [faces[index] for index in range(len(pieces))]

    def _find(self, piece: Piece, first_shot: int, taken: set[int]) -> Person | None:
        free = [(_likeness(piece, person), person) for person in self.persons if person.face not in taken]
        good = [
            (likeness, person)
            for likeness, person in free
            if likeness >= (NEARBY_ALIKE if _nearby(piece, first_shot, person) else ALIKE)
        ]
        return max(good, key=lambda pair: pair[0])[1] if good else None


def _meet(piece: Piece, other: Piece) -> bool:
    """Whether two pieces of a block share a frame."""
    return piece.start < other.start + len(other.crop) and other.start < piece.start + len(piece.crop)


def _likeness(piece: Piece, person: Person) -> float:
    """Greatest likeness of any two looks, at most 1."""
    looks = [look.tobytes() for look in piece.looks]
    return max((float(_gradients(a) @ _gradients(b)) for a in looks for b in person.looks), default=0.0)


@lru_cache(maxsize=4096)
def _gradients(look: bytes) -> np.ndarray:
    """Unit vector of oriented gradients of a look."""
    import cv2

    image = np.frombuffer(look, np.uint8).reshape(LOOK, LOOK)
    found = cv2.HOGDescriptor((LOOK, LOOK), (16, 16), (8, 8), (8, 8), 9).compute(image).ravel()
    return found / max(float(np.linalg.norm(found)), 1e-9)


def _nearby(piece: Piece, first_shot: int, person: Person) -> bool:
    """Whether the piece begins where the person was last, in the same shot."""
    shot, seconds, x, y, size = person.place
    if shot != first_shot + piece.shot or abs(piece.times[0] - seconds) > NEARBY_SECONDS:
        return False
    centre = piece.points[0].mean(axis=0)
    return float(np.hypot(centre[0] - x, centre[1] - y)) < NEARBY_SIZES * size


def _seen(person: Person, piece: Piece, first_shot: int) -> Person:
    """The same with where the person is now, and looks that are new."""
    x, y = piece.points[-1].mean(axis=0)
    place = (first_shot + piece.shot, float(piece.times[-1]), float(x), float(y), float(np.nanmedian(piece.sizes)))
    looks = list(person.looks)
    for look in map(np.ndarray.tobytes, piece.looks):
        known = max((float(_gradients(look) @ _gradients(old)) for old in looks), default=0.0)
        if len(looks) < MAX_LOOKS and known < NEW_LOOK:
            looks.append(look)
    return replace(person, looks=tuple(looks), place=place)
