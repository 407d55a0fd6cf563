"""Speaking faces whose mouths are covered: masks, boxes, scarves, microphones, hands, hair.

Shapes: frames (T, H, W, 3) uint8 RGB; points (T, 37, 2) pixels of the uncovered faces; canvas (192, 192, 4) float32:
colour and opacity of the cover in pixels of the crop, whose corner is at (48, 48) of the canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from photographs import wander

from vsr.face.geometry import mouth_transforms

SIDE, CORNER = 192, 48
MIDDLE = SIDE / 2
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
Spoil = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def painted_canvas(colour, opacity: np.ndarray, shade: np.ndarray | float = 1.0) -> np.ndarray:
    """A canvas of one colour (3,), or of colours (192, 192, 3), multiplied by a shade."""
    colours = np.broadcast_to(np.asarray(colour, np.float32), (SIDE, SIDE, 3)) * np.atleast_3d(shade)
    return np.dstack([np.clip(colours, 0, 255), opacity]).astype(np.float32)


def rectangle(width: float, height: float, x: float = 0, y: float = 0, soft: float = 1) -> np.ndarray:
    """Opacity of a rectangle around the mouth."""
    inside = np.minimum(width / 2 - abs(COLUMNS - MIDDLE - x), height / 2 - abs(ROWS - MIDDLE - y))
    return np.clip(inside / soft + 0.5, 0, 1)


def ellipse(width: float, height: float, x: float = 0, y: float = 0, turn: float = 0, soft: float = 1) -> np.ndarray:
    """Opacity of an ellipse around the mouth."""
    u, v = COLUMNS - MIDDLE - x, ROWS - MIDDLE - y
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    distance = np.hypot(u / (width / 2), v / (height / 2))
    return np.clip((1 - distance) * min(width, height) / 2 / soft + 0.5, 0, 1)


def mask_opacity() -> np.ndarray:
    """Opacity of a mask from the bridge of the nose to below the chin."""
    outline = np.array([(96, 52), (118, 62), (150, 74), (152, 100), (138, 140), (114, 160), (96, 164)])
    outline = np.concatenate([outline, np.stack([192 - outline[::-1, 0], outline[::-1, 1]], axis=1)])
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 1.0)


def clouds(dice: np.random.Generator, sizes=(3, 6, 12, 24)) -> np.ndarray:
    """A rough texture (192, 192) with mean about 0 and standard deviation 1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for size in sizes:
        total += size * cv2.GaussianBlur(dice.normal(size=(SIDE, SIDE)).astype(np.float32), (0, 0), size)
    return total / total.std()


def pleats() -> np.ndarray:
    return 1 + 0.10 * np.sin((ROWS - MIDDLE) / 3.4) - 0.12 * abs(COLUMNS - MIDDLE) / MIDDLE


def skin(frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The colour (3,) of the cheeks."""
    frame, (matrix,) = frames[0], mouth_transforms(points[:1])
    crop = cv2.warpAffine(frame, matrix, (96, 96))
    return np.median(np.concatenate([crop[20:50, 6:18], crop[20:50, 78:90]]).reshape(-1, 3), axis=0)


def overlay(frames, points, canvas, held="face", begin: float = 0.0, end: float = 1.0, drift=None, jaw: float = 0.0):
    """The frames with a canvas in front of the mouth, which moves with the face or stays in place in the frame.

    begin, end: relative times of the clip between which it is visible; drift (T, 2): its own motion in pixels of the
    crop; jaw: share of the lips' opening by which its lower part follows the chin.
    """
    matrices = mouth_transforms(points)
    if held == "picture":
        matrices = np.repeat(np.median(matrices, axis=0)[None], len(frames), axis=0)
    gap = np.linalg.norm(points[:, 31] - points[:, 35], axis=1)
    out = frames.copy()
    for t in range(int(begin * len(frames)), int(end * len(frames))):
        matrix = matrices[t].copy()
        matrix[:, 2] += CORNER - (0 if drift is None else drift[t])
        moved_canvas = canvas
        if jaw:
            scale = np.hypot(*matrix[0, :2])
            rows = ROWS - jaw * (gap[t] - gap.min()) * scale * np.clip((ROWS - 80) / 40, 0, 1)
            moved_canvas = cv2.remap(canvas, COLUMNS, rows.astype(np.float32), cv2.INTER_LINEAR)
        size = (frames.shape[2], frames.shape[1])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cover = cv2.warpAffine(moved_canvas, matrix, size, flags=flags)
        alpha = cover[..., 3:]
        out[t] = np.clip(frames[t] * (1 - alpha) + cover[..., :3] * alpha + 0.5, 0, 255)
    return out


def surgical(frames, points, dice, colour=(190, 215, 235), jaw=0.5, texture=0.0):
    shade = pleats() * (1 + texture * clouds(dice))
    return overlay(frames, points, painted_canvas(colour, mask_opacity(), shade), jaw=jaw)


def patterned(frames, points, dice, kind="dots"):
    period = dice.uniform(8, 16)
    wave = {
        "dots": np.sin(COLUMNS * 6.28 / period) * np.sin(ROWS * 6.28 / period) > 0.4,
        "stripes": np.sin((COLUMNS * 0.5 + ROWS) * 6.28 / period) > 0,
        "checks": (np.sin(COLUMNS * 6.28 / period) > 0) ^ (np.sin(ROWS * 6.28 / period) > 0),
        "flowers": clouds(dice, (4, 8)) > 0.5,
    }[kind].astype(np.float32)
    wave = cv2.GaussianBlur(wave, (0, 0), 0.8)[..., None]
    first, second = dice.uniform(0, 255, (2, 3))
    return overlay(frames, points, painted_canvas(first * wave + second * (1 - wave), mask_opacity()), jaw=0.5)


def boxed(frames, points, dice, colour=None, held="picture", size=None, texture=0.0):
    width, height = size or (dice.uniform(55, 110), dice.uniform(45, 90))
    colour = dice.uniform(0, 255, 3) if colour is None else colour
    shade = 1 + texture * clouds(dice)
    return overlay(frames, points, painted_canvas(colour, rectangle(width, height, *dice.normal(0, 3, 2)), shade), held)


def skin_box(frames, points, dice, held="face", soft=4.0):
    shade = 1 + 0.04 * clouds(dice, (8, 16)) - 0.1 * np.clip((ROWS - MIDDLE) / MIDDLE, 0, 1)
    opacity = rectangle(dice.uniform(60, 90), dice.uniform(45, 70), soft=soft)
    return overlay(frames, points, painted_canvas(skin(frames, points), opacity, shade), held)


def scarf(frames, points, dice):
    opacity = np.clip((ROWS - MIDDLE + 26) / 2, 0, 1)
    folds = 1 + 0.25 * clouds(dice, (2, 4, 8)) + 0.2 * np.sin(ROWS / 6 + 2 * clouds(dice, (16, 24)))
    return overlay(frames, points, painted_canvas(dice.uniform(20, 220, 3), opacity, folds), jaw=0.3)


def microphone(frames, points, dice, size=None, x=None, y=None, held="picture", move=2.0):
    size = dice.uniform(44, 70) if size is None else size
    x, y = (dice.normal(0, 3) if x is None else x), (dice.uniform(0, 6) if y is None else y)
    light = 30 + 60 * ellipse(size * 0.4, size * 0.4, x - size / 6, y - size / 6, soft=size / 4)
    shade = light[..., None] * (1 + 0.1 * clouds(dice, (1, 2)))[..., None]
    stick = ((abs(COLUMNS - MIDDLE - x) < size / 5) & (MIDDLE + y < ROWS)).astype(np.float32)
    opacity = np.maximum(ellipse(size, size * 1.1, x, y), stick)
    return overlay(frames, points, painted_canvas(1.0, opacity, shade), held, drift=wander(len(frames), dice, move))


def hand(frames, points, dice, width=90, x=0.0, begin=0.0, end=1.0):
    """Four fingers of skin colour in front of the mouth."""
    tone = skin(frames, points) * dice.uniform(0.85, 1.1)
    opacity, shade = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    for k in range(4):
        finger = ellipse(width, 17, x + dice.normal(0, 2), -24 + 15 * k, turn=0.15, soft=1.5)
        edge = abs(((ROWS - MIDDLE + 24 - 15 * k) - 0.15 * (COLUMNS - MIDDLE - x)) / 8.5)
        shade = np.where(finger > 0.3, 1.05 - 0.35 * np.clip(edge, 0, 1) ** 3, shade)
        opacity = np.maximum(opacity, finger)
    canvas = painted_canvas(tone, opacity, shade * (1 + 0.02 * clouds(dice)))
    return overlay(frames, points, canvas, "face", begin, end, wander(len(frames), dice, 2.0))


def hair(frames, points, dice, strands=5):
    opacity = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(strands):
        x = dice.uniform(70, 122)
        strand = np.stack(
            [x + 10 * np.sin(np.linspace(0, 3, 30) + dice.uniform(0, 6)), np.linspace(40, 160, 30)], axis=1
        )
        cv2.polylines(opacity, [strand.astype(np.int32)], False, 1.0, 1, cv2.LINE_AA)
    return overlay(frames, points, painted_canvas((50, 35, 25), opacity), "face")


COVERED: dict[str, Spoil] = {
    "surgical blue": surgical,
    "surgical white": partial(surgical, colour=(240, 240, 238)),
    "mask black": partial(surgical, colour=(28, 28, 32), texture=0.1),
    "mask skin": lambda f, p, d: surgical(f, p, d, skin(f, p), texture=0.03),
    "mask stiff": partial(surgical, colour=(205, 215, 205), jaw=0.0),
    "dots": patterned,
    "stripes": partial(patterned, kind="stripes"),
    "box": boxed,
    "box black": partial(boxed, colour=(0, 0, 0), size=(58, 48)),
    "box pale": partial(boxed, colour=(191, 216, 232), size=(96, 82)),
    "box cloth": partial(boxed, texture=0.25),
    "box skin": skin_box,
    "box skin still": partial(skin_box, held="picture", soft=1.0),
    "scarf": scarf,
    "microphone": microphone,
    "hand": hand,
}
COVERED_HELD_OUT: dict[str, Spoil] = {
    "checks": partial(patterned, kind="checks"),
    "flowers": partial(patterned, kind="flowers"),
    "box on face": partial(boxed, held="face"),
    "mask brown": partial(surgical, colour=(120, 90, 60), texture=0.2),
    "microphone large": partial(microphone, size=84, move=4.0),
    "hand far": partial(hand, width=130),
    "cloth on face": partial(boxed, held="face", texture=0.4, size=(100, 80)),
}
PARTLY: dict[str, Spoil] = {
    "microphone low": partial(microphone, size=40, x=0, y=22),
    "microphone beside": partial(microphone, size=40, x=24, y=6),
    "hand beside": partial(hand, x=50),
    "half the time": partial(hand, begin=0.0, end=0.5),
    "hair": hair,
}
