"""A track that passes from one person to another becomes two pieces without the dissolve; one person stays one."""

import numpy as np
import pytest
import torch

from vsr.face import face_vectors, likeness
from vsr.face.dissolves import split
from vsr.face.face_vectors import FaceVectors
from vsr.face.gradients import Gradients
from vsr.face.piece import Piece


def network(chips):
    """Vectors (B, 128) of two people whose chips differ in brightness; levels in between give vectors in between."""
    share = chips[:, 0, 0, 0].float()[:, None] / 200
    return share * torch.eye(128)[0] + (1 - share) * torch.eye(128)[1]


@pytest.fixture(autouse=True)
def two_people(monkeypatch):
    monkeypatch.setattr(likeness, "measure", FaceVectors)
    monkeypatch.setattr(face_vectors, "_network", lambda: network)


def piece(shades):
    """A chip of each shade every 12 frames."""
    count = 12 * len(shades)
    chips = np.stack([np.full((150, 150, 3), shade, np.uint8) for shade in shades])
    return Piece(
        3, 1, 100, np.arange(count, dtype=np.uint8)[:, None, None].repeat(96, 1).repeat(96, 2), np.arange(count) / 25,
        np.zeros((count, 37, 2), np.float32), np.full(count, 80.0), np.ones(count), chips,
        image_frames=np.arange(0, count, 12),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shades", "spans"),
    [
        ([0] * 6, [(100, 172)]),
        ([0, 30, 60, 30, 0, 30], [(100, 172)]),
        ([0, 0, 0, 200, 200, 200], [(100, 125), (136, 172)]),
        ([0, 0, 100, 200, 200], [(100, 113), (136, 160)]),
        ([0, 0, 0, 200, 200, 200, 0, 0, 0], [(100, 125), (136, 161), (172, 208)]),
        ([0, 200, 200], [(100, 136)]),
    ],
    ids=["one", "turning", "cut", "dissolve", "back", "short"],
)
def test_each_person_is_one_piece(shades, spans):
    parts = list(split(piece(shades)))
    assert [(part.start, part.start + len(part.crop)) for part in parts] == spans
    for part in parts:
        assert len(part.times) == len(part.points) == len(part.sizes) == len(part.inside) == len(part.crop)
        assert len(part.images) == len(part.image_frames) > 0
        assert [int(part.crop[index, 0, 0]) for index in part.image_frames] == [
            part.start - 100 + index for index in part.image_frames
        ]


def test_gradients_leave_tracks_unchanged(monkeypatch):
    monkeypatch.setattr(likeness, "measure", Gradients)
    assert len(list(split(piece([0, 0, 0, 200, 200, 200])))) == 1


def test_vectors_are_computed_only_where_gradients_differ(monkeypatch):
    def fail():
        raise AssertionError("computed")

    monkeypatch.setattr(face_vectors, "_network", fail)
    chip = np.random.default_rng(0).integers(0, 255, (150, 150, 3), dtype=np.uint8)
    assert FaceVectors().changes(np.stack([chip] * 8)) is None
