"""Speaking faces in poor frames that must still be read: small, shaky, dark, compressed, noisy, with a beard.

Shapes: frames (T, H, W, 3) uint8 RGB; points (T, 37, 2) pixels of the original faces.
"""

from __future__ import annotations

import io
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
from covers import MIDDLE, ROWS, Spoil, clouds, ellipse, microphone, overlay, painted_canvas
from photographs import flicker, held_by_hand, move, noisy, swing, wander


def recode(frames: np.ndarray, crf: int = 23, preset: str = "veryfast") -> np.ndarray:
    """Frames after encoding and decoding with H.264."""
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


def add_beard(frames, points, dice, colour=(45, 35, 30), full=True, rough=0.3):
    """Hair around the lips; the lips themselves stay visible and move as before."""
    opacity = np.clip((ROWS - MIDDLE + 18) / 6, 0, 1) * ellipse(112, 130, 0, 12, soft=12)
    opacity = opacity if full else ellipse(66, 16, 0, -15, soft=4)
    canvas = painted_canvas(colour, 0.85 * opacity, 1 + rough * clouds(dice, (1, 2)))
    result = overlay(frames, points, canvas, jaw=1.0)
    for frame, original, frame_points in zip(result, frames, points, strict=True):
        lips = np.zeros(frame.shape[:2], np.float32)
        cv2.fillPoly(lips, [np.round(frame_points[17:29]).astype(np.int32)], 1.0)
        lips = cv2.GaussianBlur(lips, (0, 0), 1.0)[..., None]
        frame[:] = frame * (1 - lips) + original * lips
    return result


def add_glasses(frames, points, dice):
    """Two dark lenses above the mouth."""
    lenses = ellipse(42, 26, -27, -64) + ellipse(42, 26, 27, -64)
    return overlay(frames, points, painted_canvas((20, 20, 20), lenses))


def small(frames, scale=0.5):
    size = (int(frames.shape[2] * scale) // 2 * 2, int(frames.shape[1] * scale) // 2 * 2)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def side_light(frames, dice):
    gradient = np.linspace(*sorted(dice.uniform(0.1, 1.3, 2), reverse=bool(dice.integers(2))), frames.shape[2])
    return np.clip(frames * gradient[None, None, :, None], 0, 255).astype(np.uint8)


def archive(frames, dice):
    """Black and white with grain, flicker and scratches."""
    gray = np.repeat(frames.mean(axis=3, keepdims=True), 3, axis=3)
    gray = flicker(noisy(gray, dice, 9), dice, 0.05)
    for frame in gray:
        for x in dice.integers(0, frame.shape[1], 2):
            frame[:, x : x + 1] = 220
    return move(gray, shift=wander(len(gray), dice, 0.7, 0.7))


POOR: dict[str, Spoil] = {
    "as it is": lambda f, p, d: f,
    "small": lambda f, p, d: small(f),
    "CRF 40": lambda f, p, d: recode(f, 40, "medium"),
    "blurred": lambda f, p, d: np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in f]),
    "10 fps": lambda f, p, d: f[(np.arange(len(f)) / 2.5).astype(int) * 5 // 2],
    "shaky": lambda f, p, d: move(f, zoom=1.1, shift=wander(len(f), d, 4.0, 1.5)),
    "hand-held": lambda f, p, d: held_by_hand(f, d),
    "swinging": lambda f, p, d: swing(f, d),
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
    "beard": add_beard,
    "gray beard": partial(add_beard, colour=(150, 145, 140), rough=0.1),
    "moustache": partial(add_beard, full=False),
    "glasses": add_glasses,
}
