"""Covers hide the given share of the mouth; blur, noise, resolution, compression and drops are measured."""

import numpy as np
import pytest

from vsr.media.degradation import blurred, coarse, compressed, noisy, reduced, shown_frames
from vsr.media.occlusion import KINDS, Cover

BOX = np.array([40.0, 60.0, 140.0, 110.0])


def random_frame(shape=(200, 180, 3)):
    """A frame of random levels."""
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def hidden(cover, shape, box):
    """Which pixels a cover changes, whatever was there: those that differ from black or from white."""
    return np.any([cover.drawn_on(np.full(shape, level, np.uint8), box) != level for level in (0, 255)], axis=0)


def cover(kind="patch", share=0.5, x=0.2, y=-0.1, turn=0.3, seed=4):
    return Cover(kind, share, 0, 10, x, y, turn, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("box", [BOX, BOX + 0.4, BOX * 3], ids=["frame", "between pixels", "large"])
def test_cover_hides_exactly_its_share_of_the_mouth(kind, share, box):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y, turn = rng.uniform([-0.6, -0.5, -0.6], [0.6, 0.5, 0.6])
        mask = hidden(cover(kind, share, x, y, turn), (500, 500), box)
        left, top, right, bottom = np.ceil(box - 0.5).astype(int)
        assert mask[top:bottom, left:right].mean() == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("kind", KINDS)
def test_cover_stays_near_the_mouth_and_changes_nothing_else(kind):
    frame = random_frame((400, 400, 3))
    covered = cover(kind, 0.7).drawn_on(frame, BOX)
    outside = np.ones((400, 400), bool)
    outside[:260, :290] = False
    np.testing.assert_array_equal(covered[outside], frame[outside])
    assert np.any(covered != frame)
    np.testing.assert_array_equal(frame, random_frame((400, 400, 3)))  # the input is unchanged


@pytest.mark.parametrize("kind", KINDS)
def test_cover_moves_and_grows_with_the_mouth(kind):
    patch = cover(kind, 0.6)
    first = hidden(patch, (700, 700), BOX)
    moved = hidden(patch, (700, 700), BOX + np.array([30, 20, 30, 20]))
    np.testing.assert_array_equal(first[60:200, 40:200], moved[80:220, 70:230])
    doubled = hidden(patch, (700, 700), 2 * BOX)
    assert doubled.sum() == pytest.approx(4 * first.sum(), rel=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_cover_on_gray_equals_the_gray_of_the_cover_on_colour(kind):
    gray = cover(kind).drawn_on(np.zeros((200, 180), np.uint8), BOX)
    colour = cover(kind).drawn_on(np.zeros((200, 180, 3), np.uint8), BOX)
    np.testing.assert_allclose(colour @ [0.299, 0.587, 0.114], gray, atol=1.01)


def test_mouth_at_the_edge_or_outside_is_no_error():
    frame = random_frame()
    for shift in (-130, -60, 150, 5000):
        assert cover("hand", 1.0).drawn_on(frame, BOX + shift).shape == frame.shape


@pytest.mark.parametrize("shape", [(96, 96), (120, 90, 3)])
def test_degradations_keep_shape_and_mean(shape):
    frame = np.clip(blurred(random_frame(shape), 3).astype(int) * 2 - 128, 0, 255).astype(np.uint8)
    rng = np.random.default_rng(0)
    for changed in (blurred(frame, 2), noisy(frame, 10, rng), coarse(frame, 0.25), compressed(frame, 20)):
        assert changed.shape == shape and changed.dtype == np.uint8
        assert changed.mean() == pytest.approx(frame.mean(), abs=1.5) and np.any(changed != frame)


def test_blur_and_noise_have_their_standard_deviation():
    point = np.zeros((101, 101), np.uint8)
    point[50, 50] = 255
    line = blurred(point, 3).sum(0).astype(float)
    deviation = np.sqrt(np.sum(line * (np.arange(101) - 50) ** 2) / line.sum())
    assert deviation == pytest.approx(3, rel=0.15)  # gray levels are whole numbers, so the tails are lost
    flat = np.full((200, 200), 128, np.uint8)
    assert noisy(flat, 12.0, np.random.default_rng(1)).astype(float).std() == pytest.approx(12, rel=0.02)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_resolution_is_reduced_by_the_share_and_detail_is_lost(share):
    frame = np.indices((120, 160)).sum(0) % 2 * 255
    small = reduced(frame.astype(np.uint8), share)
    assert small.shape == (round(120 * share), round(160 * share))
    assert coarse(frame.astype(np.uint8), share).std() < 2


def test_lower_quality_differs_more_from_the_frame():
    frame = blurred(random_frame((96, 96)), 1)
    errors = [np.abs(compressed(frame, quality).astype(int) - frame).mean() for quality in (95, 50, 5)]
    assert errors[0] < errors[1] < errors[2]


def test_dropped_frame_shows_the_last_one_received():
    np.testing.assert_array_equal(shown_frames(6, np.array([0, 2, 3])), [0, 1, 1, 1, 4, 5])
    np.testing.assert_array_equal(shown_frames(3, np.array([], int)), [0, 1, 2])
