"""A long video is worked through in blocks that are independent, with a bounded number of frames in memory."""

import gc
import weakref

import numpy as np
import pytest

from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_video
from vsr.face.pipeline import KEPT, OVERLAP, blocks
from vsr.media.reader import frames_from
from vsr.media.resample import Position


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory, make_face, make_video):
    """A face of ten seconds, cut to another light after six."""
    frames = make_face(250, size=128)
    frames[150:] = frames[150:, :, ::-1] // 2
    return make_video(tmp_path_factory.mktemp("long") / "long.mp4", frames, options={"preset": "ultrafast"})


def check_equal(block, other):
    assert (block.next, block.cut, block.shots) == (other.next, other.cut, other.shots)
    np.testing.assert_array_equal(block.times, other.times)
    for piece, other_piece in zip(block.pieces, other.pieces, strict=True):
        assert (piece.track, piece.shot, piece.start) == (other_piece.track, other_piece.shot, other_piece.start)
        for name in ("crop", "times", "points", "sizes", "inside", "images"):
            np.testing.assert_array_equal(getattr(piece, name), getattr(other_piece, name))


def test_block_is_the_same_if_the_run_begins_with_it(long_clip):
    whole = list(blocks(frames_from(long_clip), default_detector(), longest=75))
    assert len(whole) > 4
    for before, block in zip(whole[:-1:2], whole[1::2], strict=False):
        check_equal(next(blocks(frames_from(long_clip, before.next), default_detector(), longest=75)), block)
    assert whole[-1].next is None


def test_blocks_overlap_within_a_shot_and_meet_at_a_cut(long_clip, monkeypatch):
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    found_blocks = list(blocks(frames_from(long_clip), default_detector(), longest=100))
    for block, after in zip(found_blocks, found_blocks[1:], strict=False):
        shared = np.isin(np.round(block.times * 25), np.round(after.times * 25)).sum()
        assert shared == (0 if block.cut else OVERLAP)
        assert after.times[0] == pytest.approx(6.0) or not block.cut
    assert sum(block.cut for block in found_blocks[:-1]) == 1
    covered = np.unique(np.concatenate([np.round(block.times * 25) for block in found_blocks]))
    np.testing.assert_array_equal(covered, np.arange(250))


def test_single_block_equals_cropping_the_clip(long_clip):
    (block,) = blocks(frames_from(long_clip), default_detector(), longest=None)
    largest = max(block.pieces, key=lambda piece: piece.weight)
    assert len(largest.crop) == 150
    np.testing.assert_array_equal(largest.crop, crop_video(long_clip).crop)
    assert [len(piece.crop) for piece in block.pieces] == [150, 100]


class Frame(np.ndarray):
    """An array that can be referenced weakly."""


class Nobody:
    """Finds no face."""

    def reset(self): ...

    def detect(self, frame):
        return []


def test_frames_are_released():
    watched = []

    def frames():
        for index in range(1000):
            frame = np.zeros((8, 8, 3), np.uint8).view(Frame)
            watched.append(weakref.ref(frame))
            yield frame, Position(0.0, index)

    most = 0
    for _ in blocks(frames(), Nobody(), longest=200):
        gc.collect()
        most = max(most, sum(frame() is not None for frame in watched))
    assert 0 < most <= KEPT + OVERLAP + 40
