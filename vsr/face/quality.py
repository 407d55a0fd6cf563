"""How well a face can be read: faces that are small, turned, blurred, dark, partly covered or shown in few frames per
second are read with a warning."""

from __future__ import annotations

import numpy as np

from vsr.face.frame_rate import FEW, frame_rate
from vsr.face.geometry import turn
from vsr.face.piece import MIN_INSIDE, Piece
from vsr.face.skipped import FEW_FRAMES

# Each measure is scaled so that 1 is as good as GRID and 0 unreadable; below LEAST there is a warning.
LEAST = 0.5
GOOD_EYES, BAD_EYES = 40.0, 8.0  # pixels between the eyes
GOOD_TURN, BAD_TURN = 0.25, 0.75  # distance of the nose from the midpoint of the eyes, in eye distances
GOOD_DETAIL, BAD_DETAIL = 0.0022, 0.0  # share of the variance of the crop that is fine detail
GOOD_SHARE, BAD_SHARE = 0.95, 0.4  # share of the frames in which the mouth is visible
GOOD_HALVES, BAD_HALVES = 1.6, 2.8  # ratio of the motion of both halves of the mouth; uncovered: up to 1.6
GOOD_RATE, BAD_RATE = 18.0, 2 * FEW - 18.0  # changes per second during speech
GOOD_LIGHT, BAD_LIGHT = 48.0, 8.0  # mean gray level around the mouth, 0 to 255
GOOD_CONTRAST, BAD_CONTRAST = 4.0, 1.0  # its standard deviation


def cropped_share(piece: Piece) -> float:
    """Share of frames in which the face was found and its mouth was inside the frame and not covered."""
    return float(np.mean(piece.seen & (piece.inside >= MIN_INSIDE) & ~piece.stretches.covered))


def qualities(piece: Piece) -> dict[str, float]:
    """Measures of quality in [0, 1], by the name of the problem that a low value indicates."""
    bare = ~piece.stretches.covered
    return {
        "small": _scaled(_eye_distance(piece), BAD_EYES, GOOD_EYES),
        "turned": _scaled(float(np.median(turn(piece.points))), BAD_TURN, GOOD_TURN),
        "blurred": _scaled(_detail(piece.crop[bare][::12]), BAD_DETAIL, GOOD_DETAIL) if bare.any() else 1.0,
        "dark": _lighting(piece, bare) if bare.any() else 1.0,
        FEW_FRAMES: rate_quality(piece.crop, piece.stretches.speech),
        "covered": min(
            _scaled(cropped_share(piece), BAD_SHARE, GOOD_SHARE),
            _scaled(piece.stretches.sides, BAD_HALVES, GOOD_HALVES),
        ),
    }


def rate_quality(crop: np.ndarray, speech: list[tuple[int, int]] | None = None) -> float:
    """Quality of a crop (T, 96, 96) by how often its mouth changes in stretches of speech (start, stop), frames."""
    return _scaled(frame_rate(crop, speech), BAD_RATE, GOOD_RATE)


def _lighting(piece: Piece, bare: np.ndarray) -> float:
    """Quality of the light and contrast around the mouth, over the frames in which nothing covers it."""
    look = piece.stretches.look
    light, contrast = float(np.median(look.light[bare])), float(np.median(look.contrast[bare]))
    return min(_scaled(light, BAD_LIGHT, GOOD_LIGHT), _scaled(contrast, BAD_CONTRAST, GOOD_CONTRAST))


def _scaled(value: float, bad: float, good: float) -> float:
    return float(np.clip((value - bad) / (good - bad), 0.0, 1.0))


def _eyes(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Centres (T, 2) of the right and the left eye, pixels."""
    return piece.points[:, 5:11].mean(axis=1), piece.points[:, 11:17].mean(axis=1)


def _eye_distance(piece: Piece) -> float:
    right, left = _eyes(piece)
    return piece.zoom * float(np.median(np.linalg.norm(left - right, axis=1)))


def _detail(crops: np.ndarray) -> float:
    """Median share of the variance of crops that is detail between neighbouring pixels, by the Laplacian."""
    images = crops.astype(np.float32)
    inner = images[:, 1:-1, 1:-1]
    sides = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    fine = (inner - sides / 4).var(axis=(1, 2))
    return float(np.median(fine / np.maximum(inner.var(axis=(1, 2)), 1.0)))
