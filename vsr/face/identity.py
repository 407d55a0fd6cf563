"""Identities: tracks of all shots and blocks -> faces 0, 1, 2 in order of appearance, the same label for one person.

A track never contains two people. It receives an earlier label only if the two faces are more alike
(`vsr.face.likeness`) than faces of two people, or nearly so and the face is where that person was a moment ago, in the
same shot. Measured in `docs/footage.md`. Nothing is stored beyond the video: the journal of a long video is removed
when it is finished, and nobody is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from vsr.face import likeness
from vsr.face.piece import Piece

NEARBY_SECONDS, NEARBY_SIZES = 10.0, 1.5
MAX_LOOKS = 12


@dataclass(frozen=True)
class Person:
    """A label, marks by which the face is recognised, and its last position: (shot, seconds, x, y, size).

    Raises ValueError for marks of another size.
    """

    face: int
    looks: tuple[bytes, ...] = ()
    place: tuple[int, float, float, float, float] = (-1, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self):
        size = likeness.measure().mark_bytes
        if any(len(look) != size for look in self.looks):
            raise ValueError(f"a look of a person is not {size} bytes")


class People:
    """The people seen so far in a video. Marks are computed only when a person may be recognised by them."""

    def __init__(self) -> None:
        self._persons: dict[int, Person] = {}
        self._waiting: dict[int, list[Piece]] = {}  # pieces of a face whose marks the person lacks

    @property
    def persons(self) -> list[Person]:
        """All people, with the marks of all their pieces."""
        return [self._merged_person(face) for face in sorted(self._persons)]

    def update(self, persons: Iterable[Person]) -> None:
        """Replace what is known of people by records from a journal."""
        self._persons.update((person.face, person) for person in persons)

    def label(self, pieces: list[Piece], first_shot: int) -> list[int]:
        """A label for each piece of a block whose shots count from `first_shot`; simultaneous ones never share one."""
        faces: dict[int, int] = {}
        for index in sorted(range(len(pieces)), key=lambda i: (pieces[i].start, -pieces[i].weight)):
            taken = {faces[i] for i in faces if _overlap(pieces[i], pieces[index])}
            face = self._find(pieces[index], first_shot, taken)
            faces[index] = face = len(self._persons) if face is None else face
            self._persons[face] = _at_new_position(self._persons.get(face, Person(face)), pieces[index], first_shot)
            self._waiting.setdefault(face, []).append(pieces[index])
        return [faces[index] for index in range(len(pieces))]

    def _find(self, piece: Piece, first_shot: int, taken: set[int]) -> int | None:
        free = [self._merged_person(face) for face in self._persons if face not in taken]
        rule = likeness.measure()
        near = [
            (distance, person.face)
            for distance, person in ((_distance(piece.marks, person), person) for person in free)
            if distance <= (rule.nearby if _nearby(piece, first_shot, person) else rule.alike)
        ]
        return min(near)[1] if near else None

    def _merged_person(self, face: int) -> Person:
        """The person with the marks of all pieces."""
        for piece in self._waiting.pop(face, []):
            self._persons[face] = _with_looks(self._persons[face], piece.marks)
        return self._persons[face]


def _overlap(piece: Piece, other: Piece) -> bool:
    """Whether two pieces of a block share a frame."""
    return piece.start < other.start + len(other.crop) and other.start < piece.start + len(piece.crop)


def _distance(marks: list[bytes], person: Person) -> float:
    """Smallest distance between any of the marks and any of the person's."""
    distance = likeness.measure().distance
    return min((distance(mark, look) for mark in marks for look in person.looks), default=np.inf)


def _nearby(piece: Piece, first_shot: int, person: Person) -> bool:
    """Whether the piece begins at the last position of the person, in the same shot."""
    shot, seconds, x, y, size = person.place
    if shot != first_shot + piece.shot or abs(piece.times[0] - seconds) > NEARBY_SECONDS:
        return False
    centre = piece.points[0].mean(axis=0)
    return float(np.hypot(centre[0] - x, centre[1] - y)) < NEARBY_SIZES * size


def _at_new_position(person: Person, piece: Piece, first_shot: int) -> Person:
    """The person at the new position."""
    x, y = piece.points[-1].mean(axis=0)
    place = (first_shot + piece.shot, float(piece.times[-1]), float(x), float(y), float(np.nanmedian(piece.sizes)))
    return replace(person, place=place)


def _with_looks(person: Person, marks: list[bytes]) -> Person:
    """The person with those of the marks that are new."""
    for mark in marks:
        if len(person.looks) < MAX_LOOKS and _distance([mark], person) > likeness.measure().same_look:
            person = replace(person, looks=(*person.looks, mark))
    return person
