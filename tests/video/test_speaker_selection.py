"""Which faces of a shot are read: the largest, and as many of those that speak."""

from types import SimpleNamespace

import numpy as np
import pytest

from vsr.face.speaker_selection import largest_faces


def piece(weight, speaks=True, covered=False, shot=0, found=1.0, inside=True):
    """What is asked of a piece."""
    stretches = SimpleNamespace(speech=[(0, 50)] if speaks else [], covered=np.full(50, covered))
    return SimpleNamespace(shot=shot, weight=weight, found=found, inside_frame=inside, stretches=stretches)


def reasons(*pieces, number=1):
    return [part.reason for part in largest_faces(list(pieces), list(range(len(pieces))), number)]


def test_largest_face_is_read_and_smaller_ones_that_speak_are_not_chosen():
    assert reasons(piece(1.0), piece(9.0), piece(2.0)) == ["not chosen", None, "not chosen"]
    assert reasons(piece(1.0), piece(9.0), piece(2.0), number=2) == ["not chosen", None, None]


def test_speaker_beside_a_larger_photograph_is_read_and_the_photograph_still_reported():
    assert reasons(piece(9.0, speaks=False), piece(1.0)) == [None, None]
    assert reasons(piece(9.0, speaks=False), piece(1.0), piece(2.0)) == [None, "not chosen", None]
    assert reasons(piece(9.0, speaks=False), piece(5.0, speaks=False), piece(1.0)) == [None, "rest", None]


def test_smaller_face_at_rest_is_called_that_and_a_covered_one_not_chosen():
    assert reasons(piece(9.0), piece(1.0, speaks=False)) == [None, "rest"]
    assert reasons(piece(9.0), piece(1.0, speaks=False, covered=True)) == [None, "not chosen"]


@pytest.mark.parametrize("unclear", [{"found": 0.2}, {"inside": False}])
def test_false_positives_and_mouths_outside_the_frame_do_not_replace_a_resting_face(unclear):
    assert reasons(piece(9.0, speaks=False), piece(2.0, **unclear), piece(1.0))[::2] == [None, None]


def test_choice_is_made_in_each_shot():
    assert reasons(piece(9.0, speaks=False), piece(1.0), piece(0.5, shot=1)) == [None, None, None]
