"""Clips of speaking faces, spoilt on purpose: mouths covered, photographs in motion, and pictures that are merely poor.

Shapes: frames (T, H, W, 3) uint8 RGB; points (T, 37, 2) pixels, of the frames before they were spoilt; canvas
(192, 192, 4) float32, colour and opacity of what lies before the mouth, in pixels of the crop, whose corner is
at (48, 48) of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import cv2
import numpy as np

from vsr.video.geometry import mouth_transforms

SIDE, CORNER = 192, 48
MIDDLE = SIDE / 2
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
Spoil = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def recoded(frames: np.ndarray, crf: int = 23, preset: str = "veryfast") -> np.ndarray:
    """Frames as they come out of H.264."""
    import av

    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": str(crf), "preset": preset})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


# What lies before the mouth ------------------------------------------------------------------------------------------


def painted(colour, opacity: np.ndarray, shade: np.ndarray | float = 1.0) -> np.ndarray:
    """A canvas of one colour (3,), or (192, 192, 3), times a shade."""
    colours = np.broadcast_to(np.asarray(colour, np.float32), (SIDE, SIDE, 3)) * np.atleast_3d(shade)
    return np.dstack([np.clip(colours, 0, 255), opacity]).astype(np.float32)


def rectangle(width: float, height: float, x: float = 0, y: float = 0, soft: float = 1) -> np.ndarray:
    """Opacity of a rectangle round the mouth."""
    inside = np.minimum(width / 2 - abs(COLUMNS - MIDDLE - x), height / 2 - abs(ROWS - MIDDLE - y))
    return np.clip(inside / soft + 0.5, 0, 1)


def ellipse(width: float, height: float, x: float = 0, y: float = 0, turn: float = 0, soft: float = 1) -> np.ndarray:
    """Opacity of an ellipse round the mouth."""
    u, v = COLUMNS - MIDDLE - x, ROWS - MIDDLE - y
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    far = np.hypot(u / (width / 2), v / (height / 2))
    return np.clip((1 - far) * min(width, height) / 2 / soft + 0.5, 0, 1)


def worn() -> np.ndarray:
    """Opacity of a mask from the bridge of the nose to below the chin."""
    outline = np.array([(96, 52), (118, 62), (150, 74), (152, 100), (138, 140), (114, 160), (96, 164)])
    outline = np.concatenate([outline, np.stack([192 - outline[::-1, 0], outline[::-1, 1]], axis=1)])
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 1.0)


def clouds(dice: np.random.Generator, sizes=(3, 6, 12, 24), stretch: float = 1.0) -> np.ndarray:
    """A rough texture (192, 192) about 0, of deviation 1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for size in sizes:
        total += cv2.GaussianBlur(dice.normal(size=(SIDE, SIDE)).astype(np.float32), (0, 0), size * stretch, None, size) * size
    return total / total.std()


def pleats() -> np.ndarray:
    return 1 + 0.10 * np.sin((ROWS - MIDDLE) / 3.4) - 0.12 * abs(COLUMNS - MIDDLE) / MIDDLE


def skin(frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The colour (3,) of the cheeks."""
    frame, (matrix,) = frames[0], mouth_transforms(points[:1])
    crop = cv2.warpAffine(frame, matrix, (96, 96))
    return np.median(np.concatenate([crop[20:50, 6:18], crop[20:50, 78:90]]).reshape(-1, 3), axis=0)


def laid(frames, points, canvas, held="face", begin: float = 0.0, end: float = 1.0, drift=None, jaw: float = 0.0):
    """The frames with a canvas before the mouth, which moves with the face or stands still in the picture.

    begin, end: share of the clip in which it is there; drift (T, 2): its own motion in pixels of the crop; jaw: share of
    the lips' opening by which its lower part follows the chin.
    """
    matrices = mouth_transforms(points)
    if held == "picture":
        matrices = np.repeat(np.median(matrices, axis=0)[None], len(frames), axis=0)
    gap = np.linalg.norm(points[:, 31] - points[:, 35], axis=1)
    out = frames.copy()
    for t in range(int(begin * len(frames)), int(end * len(frames))):
        matrix = matrices[t].copy()
        matrix[:, 2] += CORNER - (0 if drift is None else drift[t])
        own = canvas
        if jaw:
            scale = np.hypot(*matrix[0, :2])
            rows = ROWS - jaw * (gap[t] - gap.min()) * scale * np.clip((ROWS - 80) / 40, 0, 1)
            own = cv2.remap(canvas, COLUMNS, rows.astype(np.float32), cv2.INTER_LINEAR)
        size = (frames.shape[2], frames.shape[1])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cover = cv2.warpAffine(own, matrix, size, flags=flags)
        alpha = cover[..., 3:]
        out[t] = np.clip(frames[t] * (1 - alpha) + cover[..., :3] * alpha + 0.5, 0, 255)
    return out


def wander(count: int, dice: np.random.Generator, size: float, slow: float = 8) -> np.ndarray:
    """(count, 2) a smooth random way, of deviation `size` pixels."""
    way = cv2.GaussianBlur(dice.normal(size=(count + 80, 2)).astype(np.float32), (1, 0), 1) * 0
    noise = dice.normal(size=(count + 80, 2))
    kernel = np.exp(-0.5 * (np.arange(-40, 41) / slow) ** 2)
    way = np.stack([np.convolve(noise[:, k], kernel, mode="same") for k in (0, 1)], axis=1)[40:-40]
    return size * (way - way.mean(axis=0)) / max(way.std(), 1e-6)


def surgical(frames, points, dice, colour=(190, 215, 235), jaw=0.5, texture=0.0):
    shade = pleats() * (1 + texture * clouds(dice))
    return laid(frames, points, painted(colour, worn(), shade), jaw=jaw)


def patterned(frames, points, dice, kind="dots"):
    period = dice.uniform(8, 16)
    wave = {
        "dots": np.sin(COLUMNS * 6.28 / period) * np.sin(ROWS * 6.28 / period) > 0.4,
        "stripes": np.sin((COLUMNS * 0.5 + ROWS) * 6.28 / period) > 0,
        "checks": (np.sin(COLUMNS * 6.28 / period) > 0) ^ (np.sin(ROWS * 6.28 / period) > 0),
        "flowers": clouds(dice, (4, 8)) > 0.5,
    }[kind].astype(np.float32)
    wave = cv2.GaussianBlur(wave, (0, 0), 0.8)[..., None]
    one, two = dice.uniform(0, 255, (2, 3))
    return laid(frames, points, painted(one * wave + two * (1 - wave), worn()), jaw=0.5)


def boxed(frames, points, dice, colour=None, held="picture", size=None, texture=0.0):
    width, height = size or (dice.uniform(55, 110), dice.uniform(45, 90))
    colour = dice.uniform(0, 255, 3) if colour is None else colour
    shade = 1 + texture * clouds(dice)
    return laid(frames, points, painted(colour, rectangle(width, height, *dice.normal(0, 3, 2)), shade), held)


def skin_box(frames, points, dice, held="face", soft=4.0):
    shade = 1 + 0.04 * clouds(dice, (8, 16)) - 0.1 * np.clip((ROWS - MIDDLE) / MIDDLE, 0, 1)
    opacity = rectangle(dice.uniform(60, 90), dice.uniform(45, 70), soft=soft)
    return laid(frames, points, painted(skin(frames, points), opacity, shade), held)


def scarf(frames, points, dice):
    opacity = np.clip((ROWS - MIDDLE + 26) / 2, 0, 1)
    folds = 1 + 0.25 * clouds(dice, (2, 4, 8), 1.0) + 0.2 * np.sin(ROWS / 6 + 2 * clouds(dice, (16, 24)))
    return laid(frames, points, painted(dice.uniform(20, 220, 3), opacity, folds), jaw=0.3)


def microphone(frames, points, dice, size=None, x=None, y=None, held="picture", move=2.0):
    size = dice.uniform(44, 70) if size is None else size
    x, y = (dice.normal(0, 3) if x is None else x), (dice.uniform(0, 6) if y is None else y)
    light = 30 + 60 * ellipse(size * 0.4, size * 0.4, x - size / 6, y - size / 6, soft=size / 4)
    shade = light[..., None] * (1 + 0.1 * clouds(dice, (1, 2)))[..., None]
    stick = ((abs(COLUMNS - MIDDLE - x) < size / 5) & (MIDDLE + y < ROWS)).astype(np.float32)
    opacity = np.maximum(ellipse(size, size * 1.1, x, y), stick)
    return laid(frames, points, painted(1.0, opacity, shade), held, drift=wander(len(frames), dice, move))


def hand(frames, points, dice, width=90, x=0.0, begin=0.0, end=1.0):
    """Four fingers of the skin's colour before the mouth."""
    tone = skin(frames, points) * dice.uniform(0.85, 1.1)
    opacity, shade = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    for k in range(4):
        finger = ellipse(width, 17, x + dice.normal(0, 2), -24 + 15 * k, turn=0.15, soft=1.5)
        edge = abs(((ROWS - MIDDLE + 24 - 15 * k) - 0.15 * (COLUMNS - MIDDLE - x)) / 8.5)
        shade = np.where(finger > 0.3, 1.05 - 0.35 * np.clip(edge, 0, 1) ** 3, shade)
        opacity = np.maximum(opacity, finger)
    canvas = painted(tone, opacity, shade * (1 + 0.02 * clouds(dice)))
    return laid(frames, points, canvas, "face", begin, end, wander(len(frames), dice, 2.0))


def hair(frames, points, dice, strands=5):
    opacity = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(strands):
        x = dice.uniform(70, 122)
        way = np.stack([x + 10 * np.sin(np.linspace(0, 3, 30) + dice.uniform(0, 6)), np.linspace(40, 160, 30)], axis=1)
        cv2.polylines(opacity, [way.astype(np.int32)], False, 1.0, 1, cv2.LINE_AA)
    return laid(frames, points, painted((50, 35, 25), opacity), "face")


def bearded(frames, points, dice, colour=(45, 35, 30), full=True, rough=0.3):
    """Hair round the lips, which move in it as they do."""
    opacity = np.clip((ROWS - MIDDLE + 18) / 6, 0, 1) * ellipse(112, 130, 0, 12, soft=12)
    opacity = opacity if full else ellipse(66, 16, 0, -15, soft=4)
    canvas = painted(colour, 0.85 * opacity, 1 + rough * clouds(dice, (1, 2)))
    hairy = laid(frames, points, canvas, jaw=1.0)
    for frame, old, own in zip(hairy, frames, points, strict=True):
        lips = np.zeros(frame.shape[:2], np.float32)
        cv2.fillPoly(lips, [np.round(own[17:29]).astype(np.int32)], 1.0)
        lips = cv2.GaussianBlur(lips, (0, 0), 1.0)[..., None]
        frame[:] = frame * (1 - lips) + old * lips
    return hairy


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


# Photographs ---------------------------------------------------------------------------------------------------------


def moved(frames, turn=None, zoom=None, shift=None, lean=None) -> np.ndarray:
    """Every frame turned (T,) radians, zoomed (T,), shifted (T, 2) pixels and leant (T, 2) as a paper is."""
    count, (height, width) = len(frames), frames.shape[1:3]
    turn, zoom = (np.zeros(count) if turn is None else turn), (np.ones(count) if zoom is None else zoom)
    shift, lean = (np.zeros((count, 2)) if each is None else each for each in (shift, lean))
    out = np.empty_like(frames)
    for t in range(count):
        c, s = zoom[t] * np.cos(turn[t]), zoom[t] * np.sin(turn[t])
        first = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
        second = np.array([[c, -s, 0], [s, c, 0], [lean[t, 0] / width, lean[t, 1] / height, 1.0]])
        last = np.array([[1, 0, width / 2 + shift[t, 0]], [0, 1, height / 2 + shift[t, 1]], [0, 0, 1.0]])
        out[t] = cv2.warpPerspective(frames[t], last @ second @ first, (width, height), borderMode=cv2.BORDER_REFLECT)
    return out


def noisy(frames, dice, size: float) -> np.ndarray:
    noise = dice.normal(0, size, frames.shape[:3] + (1,)) + dice.normal(0, size / 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def flicker(frames, dice, size=0.1) -> np.ndarray:
    gain = 1 + size * dice.normal(size=(len(frames), 1, 1, 1))
    return np.clip(frames * gain, 0, 255).astype(np.uint8)


def still(frames) -> np.ndarray:
    return np.repeat(frames[len(frames) // 2][None], len(frames), axis=0)


def held_by_hand(frames, dice, size=6.0, lean=0.08) -> np.ndarray:
    """A paper before the camera."""
    n = len(frames)
    return moved(
        frames, wander(n, dice, 0.03)[:, 0], 1.05 + wander(n, dice, 0.03)[:, 0], wander(n, dice, size),
        wander(n, dice, lean),
    )  # fmt: skip


def swung(frames, dice) -> np.ndarray:
    """The report's photograph in motion."""
    t = np.arange(len(frames)) / 25 + dice.uniform(0, 6)
    shift = np.stack([20 * np.sin(5 * t), 15 * np.cos(4 * t)], axis=1) / 2.5
    return moved(frames, 0.02 * np.sin(6 * t), np.full(len(t), 1.2), shift)


def photographs(dice_free: bool = False) -> dict[str, Spoil]:
    """Kinds of moving photographs by name."""
    def kind(change):
        return lambda frames, points, dice: change(still(frames), dice)

    return {
        "still": kind(lambda f, d: f),
        "swung": kind(swung),
        "panned": kind(lambda f, d: moved(f, zoom=np.full(len(f), 1.2), shift=np.outer(np.linspace(-1, 1, len(f)), d.uniform(-20, 20, 2)))),
        "shaken": kind(lambda f, d: moved(f, zoom=np.full(len(f), 1.1), shift=wander(len(f), d, 4.0, 1.5))),
        "turned": kind(lambda f, d: moved(f, turn=0.15 * np.sin(np.arange(len(f)) / d.uniform(4, 12)))),
        "zoomed": kind(lambda f, d: moved(f, zoom=1.2 + 0.2 * np.sin(np.arange(len(f)) / d.uniform(6, 20)))),
        "paper": kind(held_by_hand),
        "noise 5": kind(lambda f, d: noisy(f, d, 5)),
        "noise 12": kind(lambda f, d: noisy(f, d, 12)),
        "noise 25": kind(lambda f, d: noisy(f, d, 25)),
        "flicker": kind(flicker),
        "all at once": kind(lambda f, d: flicker(noisy(held_by_hand(f, d), d, 8), d, 0.05)),
    }


PHOTOGRAPHS = photographs()
PHOTOGRAPHS_HELD_OUT: dict[str, Spoil] = {
    "swung and noisy": lambda f, p, d: noisy(swung(still(f), d), d, 10),
    "shaken hard": lambda f, p, d: moved(still(f), zoom=np.full(len(f), 1.2), shift=wander(len(f), d, 8.0, 2.0)),
    "paper waved": lambda f, p, d: held_by_hand(still(f), d, 10.0, 0.15),
    "noise 35": lambda f, p, d: noisy(still(f), d, 35),
    "flicker hard": lambda f, p, d: flicker(still(f), d, 0.2),
    "dim": lambda f, p, d: noisy((held_by_hand(still(f), d) * 0.3).astype(np.uint8), d, 4),
}


# Speaking faces in poor pictures -------------------------------------------------------------------------------------


def small(frames, scale=0.5):
    size = (int(frames.shape[2] * scale) // 2 * 2, int(frames.shape[1] * scale) // 2 * 2)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def side_light(frames, dice):
    across = np.linspace(*sorted(dice.uniform(0.1, 1.3, 2), reverse=bool(dice.integers(2))), frames.shape[2])
    return np.clip(frames * across[None, None, :, None], 0, 255).astype(np.uint8)


def archive(frames, dice):
    """Grain, flicker and scratches, black and white."""
    gray = np.repeat(frames.mean(axis=3, keepdims=True), 3, axis=3)
    gray = flicker(noisy(gray, dice, 9), dice, 0.05)
    for frame in gray:
        for x in dice.integers(0, frame.shape[1], 2):
            frame[:, x : x + 1] = 220
    return moved(gray, shift=wander(len(gray), dice, 0.7, 0.7))


POOR: dict[str, Spoil] = {
    "as it is": lambda f, p, d: f,
    "small": lambda f, p, d: small(f),
    "CRF 40": lambda f, p, d: recoded(f, 40, "medium"),
    "blurred": lambda f, p, d: np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in f]),
    "10 fps": lambda f, p, d: f[(np.arange(len(f)) / 2.5).astype(int) * 5 // 2],
    "shaky": lambda f, p, d: moved(f, zoom=np.full(len(f), 1.1), shift=wander(len(f), d, 4.0, 1.5)),
    "hand-held": lambda f, p, d: held_by_hand(f, d),
    "swinging": lambda f, p, d: swung(f, d),
    "gray": lambda f, p, d: np.repeat(f.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8),
    "archive": lambda f, p, d: archive(f, d),
    "low light": lambda f, p, d: noisy((f * 0.3).astype(np.uint8), d, 3),
    "dark": lambda f, p, d: (f * 0.12).astype(np.uint8),
    "side light": lambda f, p, d: side_light(f, d),
    "noise 5": lambda f, p, d: noisy(f, d, 5),
    "noise 15": lambda f, p, d: noisy(f, d, 15),
    "noise 25": lambda f, p, d: noisy(f, d, 25),
    "flicker": lambda f, p, d: flicker(f, d),
    "low contrast": lambda f, p, d: (f * 0.4 + 90).astype(np.uint8),
    "microphone under the chin": lambda f, p, d: microphone(f, p, d, size=30, x=0, y=42),
    "beard": bearded,
    "gray beard": partial(bearded, colour=(150, 145, 140), rough=0.1),
    "moustache": partial(bearded, full=False),
    "glasses": lambda f, p, d: laid(f, p, painted((20, 20, 20), np.maximum(ellipse(42, 26, -27, -64), ellipse(42, 26, 27, -64))), "face"),
}
