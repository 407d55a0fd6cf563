"""Live, the face that speaks is followed: from its first word, and not away from somebody within a sentence."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import talking_face
from vsr.face import mouth_crop
from vsr.face.detector import default_detector
from vsr.inference.live.mouth import MouthStream

DEMO = Path(__file__).parents[2] / "demo" / "clip.mp4"
SPEAKING = talking_face(100, 256)
SMALL = np.pad(talking_face(100, 192), ((0, 0), (32, 32), (0, 0), (0, 0)))
RESTING, SMALL_RESTING = np.repeat(SPEAKING[:1], 100, axis=0), np.repeat(SMALL[:1], 100, axis=0)


def beside(large, small):
    return np.concatenate([large, small], axis=2)


def followed(frames, **options):
    """(person, frame) of each mouth of a stream."""
    stream, seen = MouthStream(default_detector(), **options), []
    for index, frame in enumerate(frames):
        seen += [(stream.person, round(25 * mouth.time)) for mouth in stream.add(frame, index / 25, 0.0)]
    return seen


def test_smaller_face_that_speaks_is_followed_from_its_first_frame():
    seen = followed(beside(RESTING, SMALL)[:70])
    assert [frame for person, frame in seen if person == 1][:40] == list(range(40))


@pytest.mark.parametrize("small", [SMALL, SMALL_RESTING])
def test_larger_face_that_speaks_is_not_left(small):
    assert {person for person, _ in followed(beside(SPEAKING, small)[:70])} == {0}


def test_larger_face_is_not_left_where_turns_are_not_followed():
    assert {person for person, _ in followed(beside(RESTING, SMALL)[:70], turns=False)} == {0}


def test_each_turn_of_a_dialogue_is_followed_and_no_frame_of_a_person_given_twice():
    large = np.concatenate([SPEAKING[:50], RESTING[:60], SPEAKING[:75]])
    small = np.concatenate([SMALL_RESTING[:50], SMALL[:60], SMALL_RESTING[:75]])
    seen = followed(beside(large, small))
    turns = [person for k, (person, _) in enumerate(seen) if not k or seen[k - 1][0] != person]
    assert turns == [0, 1, 0] and len(seen) == len(set(seen))
    assert {(1, frame) for frame in range(50, 110)} | {(0, frame) for frame in range(110, 175)} <= set(seen)


def test_page_shows_who_speaks_before_a_larger_face_at_rest(monkeypatch):
    rests, speaks = (SimpleNamespace(weight=weight, found=1.0, inside_frame=True) for weight in (9.0, 1.0))
    rests.stretches, speaks.stretches = SimpleNamespace(speech=[]), SimpleNamespace(speech=[(0, 50)])
    parts = [SimpleNamespace(piece=piece, face=face) for face, piece in enumerate((rests, speaks))]
    monkeypatch.setattr(mouth_crop, "_everybody", lambda source, errors: (None, parts))
    monkeypatch.setattr(mouth_crop, "clip_of", lambda path, info, piece, face: face)
    assert mouth_crop.crop_tracks(DEMO) == [1, 0]
