"""Only moving lips are read: nothing of a photograph, nor of a covered mouth, which is reported."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_video
from vsr.face.detector import default_detector
from vsr.face.geometry import mouth_transforms
from vsr.face.lip_motion import lip_motion
from vsr.face.pipeline import blocks
from vsr.face.quality import LEAST, qualities
from vsr.face.stretches import cells_of, stretches_of
from vsr.face.visual_vad import REST, activity
from vsr.media.reader import read_frames
from vsr.media.resample import Position

DEMO = Path(__file__).parents[2] / "demo" / "clip.mp4"
GRID = Path(__file__).parents[3] / "shared" / "data" / "grid"
ROWS, COLUMNS = np.mgrid[:96, :96] - 48  # from the middle of the mouth
WORN = (np.hypot(COLUMNS / 46, (ROWS - 8) / 40) < 1) | ((ROWS > 8) & (abs(COLUMNS) < 46))


def pieces_of(frames):
    """The faces in frames (T, H, W, 3), shot by shot."""
    places = ((frame, Position(0.0, index)) for index, frame in enumerate(frames))
    (block,) = blocks(places, default_detector(), longest=None)
    return block.pieces


def piece_of(frames):
    """The face in frames (T, H, W, 3)."""
    return max(pieces_of(frames), key=lambda piece: piece.weight)


def frames_of(path):
    return np.concatenate([chunk for chunk, _ in read_frames(path)])[:75]


@pytest.fixture(scope="module")
def puppet():
    """(frames, points) of 3 s of the demo clip."""
    frames = frames_of(DEMO)
    return frames, piece_of(frames).points


def cover(frames, points, colours, shape=WORN, still=False, stop=None):
    """The frames with a cover in these colours, (96, 96, 3) in the crop, over the mouth."""
    import cv2

    matrices, out = mouth_transforms(points), frames.copy()
    canvas = np.dstack([np.broadcast_to(np.asarray(colours, np.float32), (96, 96, 3)), 255.0 * shape])
    for index, frame in enumerate(out[:stop]):
        matrix = matrices[len(frames) // 2 if still else index]
        laid = cv2.warpAffine(canvas, matrix, frame.shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        share = laid[..., 3:] / 255
        frame[:] = frame * (1 - share) + laid[..., :3] * share
    return out


def cloth(seed):
    from scipy.ndimage import gaussian_filter

    rough = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 96)), 3)
    return np.clip(130 + 40 * rough / rough.std(), 0, 255)[..., None].repeat(3, 2)


PLEATS = (1 + 0.12 * np.sin(ROWS / 3.4))[..., None]
DISC = np.hypot(COLUMNS, ROWS - 4) < 32
BOX = (abs(COLUMNS) < 34) & (abs(ROWS) < 28)
COVERS = {
    "surgical, blue": dict(colours=PLEATS * (170, 200, 225)),
    "surgical, white": dict(colours=PLEATS * (225, 225, 222)),
    "black": dict(colours=(25, 25, 28)),
    "striped": dict(colours=np.where(np.sin((COLUMNS + ROWS) / 2)[..., None] > 0, (200, 60, 60), (30, 40, 120))),
    "cloth": dict(colours=cloth(3)),
    "skin": dict(colours=(225, 175, 150), shape=BOX),
    "a box that stands still": dict(colours=(191, 216, 232), shape=BOX, still=True),
    "a black box that stands still": dict(colours=(0, 0, 0), shape=BOX, still=True),
    "a microphone": dict(colours=(40, 40, 42), shape=DISC, still=True),
    "a scarf": dict(colours=cloth(4) * (1.0, 0.6, 0.5), shape=ROWS > -22),
}


@pytest.mark.parametrize("name", COVERS)
def test_covered_mouth_is_reported_and_not_read(puppet, name):
    frames, points = puppet
    piece = piece_of(cover(frames, points, **COVERS[name]))
    assert piece.stretches.speech == []
    assert piece.stretches.skipped == [(0, len(piece.crop), "covered")]
    assert qualities(piece)["covered"] < LEAST


def test_mouth_covered_for_a_time_is_read_in_the_rest(puppet):
    frames, points = (np.concatenate([array, array[::-1], array]) for array in puppet)
    pieces = pieces_of(cover(frames, points, **COVERS["surgical, blue"], stop=120))
    read, covered = np.zeros(225, bool), np.zeros(225, bool)
    for piece in pieces:
        for start, stop in piece.stretches.speech:
            read[piece.start + start : piece.start + stop] = True
        for start, stop, reason in piece.stretches.skipped:
            covered[piece.start + start : piece.start + stop] = reason == "covered"
    assert covered[:110].all() and read[130:].all()


def carried(frames, rng, shift=4.0):
    """A photograph held in a hand: turned, zoomed and shifted smoothly."""
    import cv2

    t, (height, width) = np.arange(len(frames)), frames.shape[1:3]
    phase = rng.uniform(0, 6, 4)
    out = np.empty_like(frames)
    for k, frame in enumerate(frames):
        angle = 2 * np.sin(t[k] / 7 + phase[0])
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.15 + 0.05 * np.sin(t[k] / 11 + phase[1]))
        matrix[:, 2] += shift * np.sin(t[k] / np.array([2.5, 3.5]) + phase[2:])
        out[k] = cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return out


def noisy(frames, rng, size):
    return np.clip(frames + rng.normal(0, size, (*frames.shape[:3], 1)), 0, 255).astype(np.uint8)


def flickering(frames, rng):
    return np.clip(frames * (1 + 0.1 * rng.normal(size=(len(frames), 1, 1, 1))), 0, 255).astype(np.uint8)


PHOTOGRAPHS = {
    "still": lambda frames, rng: frames,
    "carried": carried,
    "in noise": lambda frames, rng: noisy(frames, rng, 12),
    "in much noise": lambda frames, rng: noisy(frames, rng, 30),
    "in flickering light": flickering,
    "all at once": lambda frames, rng: flickering(noisy(carried(frames, rng), rng, 8), rng),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photograph_is_not_read(puppet, name, tmp_path):
    frames, rng = puppet[0], np.random.default_rng(1)
    moved = PHOTOGRAPHS[name](frames[30:31].repeat(75, 0), rng)
    piece = piece_of(frames_of(write_video(tmp_path / "photograph.mp4", moved)))
    assert piece.stretches.speech == [] and {reason for _, _, reason in piece.stretches.skipped} == {"rest"}


def test_short_photograph_is_not_read(puppet):
    moved = carried(puppet[0][30:31].repeat(40, 0), np.random.default_rng(2))
    assert activity(piece_of(moved).points).max() > REST  # by its landmarks alone, it speaks
    assert piece_of(moved).stretches.speech == []


POOR = {
    "small": lambda frames, rng: frames[:, ::2, ::2],
    "carried": carried,
    "in noise": lambda frames, rng: noisy(frames, rng, 10),
    "flickering": flickering,
    "gray": lambda frames, rng: frames.mean(3, keepdims=True).repeat(3, 3).astype(np.uint8),
    "dim": lambda frames, rng: noisy((frames * 0.3).astype(np.uint8), rng, 2),
    "lit from the side": lambda frames, rng: (frames * np.linspace(0.2, 1, frames.shape[2])[:, None]).astype("u1"),
    "at 10 frames a second": lambda frames, rng: frames[(np.arange(75) // 2.5).astype(int) * 5 // 2],
}


@pytest.mark.parametrize("name", POOR)
def test_speaker_in_a_poor_frame_is_read(puppet, name, tmp_path):
    degraded = POOR[name](puppet[0], np.random.default_rng(3))
    piece = piece_of(frames_of(write_video(tmp_path / "poor.mp4", np.ascontiguousarray(degraded))))
    assert piece.stretches.speech == [(0, len(piece.crop))] and piece.stretches.covered.mean() < 0.1
    assert qualities(piece)["covered"] >= LEAST


def test_moustache_is_no_cover(puppet):
    frames, points = puppet
    piece = piece_of(cover(frames, points, (45, 35, 30), shape=np.hypot(COLUMNS / 30, (ROWS + 15) / 7) < 1))
    assert piece.stretches.speech == [(0, 75)] and qualities(piece)["covered"] >= LEAST


def test_half_covered_mouth_lowers_the_quality(puppet):
    frames, points = puppet
    half = cover(frames, points, (60, 60, 60), shape=(COLUMNS > 0) & (abs(ROWS) < 30))
    assert qualities(piece_of(half))["covered"] < 0.8 < qualities(piece_of(frames))["covered"]


def test_dark_face_is_reported(puppet):
    bright, dark = (qualities(piece_of((puppet[0] * share).astype(np.uint8))) for share in (1.0, 0.1))
    assert bright["dark"] == 1.0 and dark["dark"] < LEAST
    assert piece_of((puppet[0] * 0.1).astype(np.uint8)).stretches.speech  # what cannot be decided is read, and marked


def test_motion_of_the_whole_crop_and_light_are_not_lip_motion():
    from scipy.ndimage import gaussian_filter, shift

    rng = np.random.default_rng(0)
    face = 120 + 400 * gaussian_filter(rng.normal(size=(96, 96)), 5)
    shifts = np.cumsum(rng.normal(0, 0.3, (60, 2)), axis=0)
    frames = [shift(face, offset, order=1, mode="nearest") * (1 + 0.05 * np.sin(k)) for k, offset in enumerate(shifts)]
    crop = np.clip(np.stack(frames), 0, 255).astype(np.uint8)
    assert np.median(lip_motion(cells_of(crop)[1]).lips) < 1.2
    crop[:, 42:54, 30:66] = crop[:, 42:54, 30:66] * (0.75 + 0.25 * np.sin(np.arange(60) / 1.5))[:, None, None]
    motion = lip_motion(cells_of(crop)[1])
    assert np.median(motion.lips) > 2 and np.median(motion.sides) < 1.5


def test_cells_are_means():
    crop = np.random.default_rng(0).integers(0, 256, (5, 96, 96), np.uint8)
    patches, cells = cells_of(crop)
    np.testing.assert_allclose(patches, crop.reshape(5, 32, 3, 32, 3).mean((2, 4)), rtol=1e-5)
    np.testing.assert_allclose(cells, crop.reshape(5, 16, 6, 16, 6).mean((2, 4)), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 12, 51, 76])
def test_stretches_cover_clips_of_any_length(count):
    rng = np.random.default_rng(count)
    crop, points = rng.integers(0, 256, (count, 96, 96), np.uint8), rng.uniform(0, 90, (count, 37, 2))
    stretches = stretches_of(crop, points)
    runs = sorted([*stretches.speech, *((start, stop) for start, stop, _ in stretches.skipped)])
    assert runs[0][0] == 0 and runs[-1][1] == count
    assert all(stop == start for (_, stop), (start, _) in zip(runs, runs[1:], strict=False))


@pytest.mark.skipif(not GRID.is_dir(), reason="the recordings of GRID are not here")
@pytest.mark.parametrize("clip", ["s1/video/bbaf2n.mp4", "s2/video/bbaf1n.mpg", "s4/video/bbae9n.mpg"])
def test_people_are_read_but_not_with_masks_or_as_photographs(clip):
    frames, rng = frames_of(GRID / clip), np.random.default_rng(4)
    piece = piece_of(frames)
    assert piece.stretches.speech == [(0, len(piece.crop))]
    masked = piece_of(cover(frames, piece.points, **COVERS["surgical, blue"]))
    assert [reason for _, _, reason in masked.stretches.skipped] == ["covered"] and not masked.stretches.speech
    assert not piece_of(carried(frames[40:41].repeat(75, 0), rng)).stretches.speech
