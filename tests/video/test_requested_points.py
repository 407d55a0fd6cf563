"""Mouth points on request equal those computed with the crops, and nothing is computed unasked."""

import numpy as np
import pytest

from vsr.face.mouth_crop import crop_video
from vsr.face.mouth_points import MESHES, MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Pool
from vsr.face.requested_points import RequestedPoints


@pytest.fixture
def counted_meshes():
    """A stock of meshes, and a list that grows with each mesh that is computed."""
    calls = []

    class Counted(MouthMesh):
        def fit(self, *arguments):
            calls.append(1)
            return super().fit(*arguments)

    return Pool(Counted, 2), calls


def test_requested_points_equal_those_computed_with_the_crops(gapped_clip, monkeypatch):
    """In blocks that begin within the video, and in pieces that begin within their block."""
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    at_once = [piece for part in MouthSource(gapped_clip, mesh=MESHES) for piece in part.block.pieces]
    later = [piece for part in MouthSource(gapped_clip, mesh=MESHES, on_request=True) for piece in part.block.pieces]
    assert len(later) == len(at_once) > 1
    for first, second in zip(at_once, later, strict=True):
        assert isinstance(second.mouth, RequestedPoints) and len(second.mouth) == len(second.crop)
        np.testing.assert_array_equal(np.asarray(second.mouth_of(3, 20)), first.mouth_of(3, 20))
        np.testing.assert_array_equal(np.asarray(second.mouth), first.mouth)


def test_requested_points_of_a_part_of_a_video(gapped_clip):
    first = crop_video(gapped_clip, start=7.0, end=9.0, mesh=MESHES)
    second = crop_video(gapped_clip, start=7.0, end=9.0, mesh=MESHES, on_request=True)
    np.testing.assert_array_equal(np.asarray(second.mouth), first.mouth)


def test_meshes_are_computed_on_request_and_in_advance_after_a_requested_block(
    gapped_clip, counted_meshes, monkeypatch
):
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    mesh, calls = counted_meshes
    blocks = iter(MouthSource(gapped_clip, mesh=mesh, on_request=True))
    (piece,) = next(blocks).block.pieces
    assert not calls
    np.asarray(piece.mouth), np.asarray(piece.mouth_of(0, 5))
    assert len(calls) == len(piece.crop)
    rest = [piece for following in blocks for piece in following.block.pieces]
    assert len(calls) > len(piece.crop)  # computed with the crops of the next block
    before = len(calls)
    np.asarray(rest[0].mouth)
    assert len(calls) == before
    next(iter(MouthSource(gapped_clip, mesh=mesh, on_request=True)))  # in the next video, too
    assert len(calls) > before


def test_clip_held_at_its_ends_holds_its_points():
    points = np.arange(5, dtype=np.float32)[:, None, None].repeat(14, 1).repeat(2, 2)
    held = RequestedPoints(lambda: points, np.arange(5)).extended(2, 1)
    assert np.asarray(held)[:, 0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 4]
    assert np.asarray(held[1:4])[:, 0, 0].tolist() == [0, 0, 1] and len(held[1:4]) == 3
