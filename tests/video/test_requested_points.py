"""Points of the mouth on request: those that are found with the crops, and none where nobody asks."""

import numpy as np
import pytest

from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_points import MESHES, MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Stock
from vsr.face.requested_points import RequestedPoints


@pytest.fixture
def counted():
    """A stock of meshes, and how often one was laid."""
    laid = []

    class Counted(MouthMesh):
        def fit(self, *given):
            laid.append(1)
            return super().fit(*given)

    return Stock(Counted, 2), laid


def test_points_on_request_are_those_found_with_the_crops(film, monkeypatch):
    """In blocks that begin within the video, and in pieces that begin within their block."""
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    at_once = [piece for own in MouthSource(film, mesh=MESHES) for piece in own.block.pieces]
    later = [piece for own in MouthSource(film, mesh=MESHES, on_request=True) for piece in own.block.pieces]
    assert len(later) == len(at_once) > 1
    for first, second in zip(at_once, later, strict=True):
        assert isinstance(second.mouth, RequestedPoints) and len(second.mouth) == len(second.crop)
        np.testing.assert_array_equal(np.asarray(second.mouth_of(3, 20)), first.mouth_of(3, 20))
        np.testing.assert_array_equal(np.asarray(second.mouth), first.mouth)


def test_a_part_of_a_video_is_looked_at_again_from_there(film):
    first = crop_video(film, start=7.0, end=9.0, mesh=MESHES)
    second = crop_video(film, start=7.0, end=9.0, mesh=MESHES, on_request=True)
    np.testing.assert_array_equal(np.asarray(second.mouth), first.mouth)


def test_nothing_is_laid_where_nobody_asks_and_all_at_once_after_a_block_in_which_somebody_did(
    film, counted, monkeypatch
):
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    mesh, laid = counted
    blocks = iter(MouthSource(film, mesh=mesh, on_request=True))
    (piece,) = next(blocks).block.pieces
    assert not laid
    np.asarray(piece.mouth), np.asarray(piece.mouth_of(0, 5))
    assert len(laid) == len(piece.crop)
    rest = [piece for own in blocks for piece in own.block.pieces]
    assert len(laid) > len(piece.crop)  # with the crops of the block that followed
    before = len(laid)
    np.asarray(rest[0].mouth)
    assert len(laid) == before
    next(iter(MouthSource(film, mesh=mesh, on_request=True)))  # the next video, too
    assert len(laid) > before


def test_a_clip_held_at_its_ends_holds_its_points():
    points = np.arange(5, dtype=np.float32)[:, None, None].repeat(14, 1).repeat(2, 2)
    held = RequestedPoints(lambda: points, np.arange(5)).extended(2, 1)
    assert np.asarray(held)[:, 0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 4]
    assert np.asarray(held[1:4])[:, 0, 0].tolist() == [0, 0, 1] and len(held[1:4]) == 3
