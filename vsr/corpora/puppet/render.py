"""Renders a spoken sentence as frames of the talking photograph with sound, an mp4 file; the variations of a take are
drawn here.

Shapes: T frames at 25 fps; frames are (288, 288, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.signal import resample_poly

from vsr.core.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.core.files import atomic_write
from vsr.corpora.puppet.face import Face
from vsr.corpora.puppet.portrait import SIZE
from vsr.corpora.puppet.speech import Speech
from vsr.corpora.puppet.visemes import mouth_track
from vsr.media.audio import fit_length, write_wave

# Without look-ahead, with which the output differs between calls for the same frames.
X264 = {"preset": "veryfast", "crf": "21", "threads": "1"}
X264["x264-params"] = "rc-lookahead=0:mbtree=0:scenecut=0"
HEAD = (0.50, 0.47, 0.44, 0.50)  # centre x, y and half width, height of the head, as shares of the frame


@dataclass(frozen=True)
class Take:
    """Everything about a clip but its sentence: when the speech starts, how the head moves, light and camera.

    lead_s: silence before the speech; mouth: gain of each mouth parameter; motion: (T, 5) shift x, y in
    pixels, roll in radians, zoom - 1 and yaw in pixels of parallax; blink: (T,) 0..1; light: (T,) gain;
    tone: gamma and contrast; shade: slope of the light across the frame; noise: standard deviation in grey
    levels; flip: mirrored.
    """

    lead_s: float
    mouth: np.ndarray
    motion: np.ndarray
    blink: np.ndarray
    light: np.ndarray
    gamma: float
    contrast: float
    shade: float
    noise: float
    flip: bool
    noise_seed: int


def draw_take(rng: np.random.Generator, speech_s: float) -> Take:
    """A take long enough for `speech_s` seconds of speech, with silence on both sides."""
    lead = float(rng.uniform(0.2, 0.7))
    length = int(np.ceil((lead + speech_s + rng.uniform(0.3, 0.7)) * FPS))
    scale = np.array((3.0, 2.5, 0.025, 0.02, 2.5))
    motion = np.stack([_drift(rng, length) for _ in scale], axis=1) * scale * rng.uniform(0.3, 1.0)
    motion[:, :4] += rng.normal(size=4) * (5.0, 4.0, 0.03, 0.03)
    return Take(
        lead_s=lead,
        mouth=np.clip(rng.normal(1.0, 0.08, 8), 0.8, 1.2),
        motion=motion,
        blink=_blinks(rng, length),
        light=1 + 0.04 * _drift(rng, length) + rng.uniform(-0.15, 0.12),
        gamma=float(rng.uniform(0.8, 1.3)),
        contrast=float(rng.uniform(0.75, 1.15)),
        shade=float(rng.uniform(-0.3, 0.3)),
        noise=float(rng.uniform(0.5, 4.0)),
        flip=bool(rng.random() < 0.5),
        noise_seed=int(rng.integers(1 << 31)),
    )


def render_frames(speech: Speech, take: Take, homophenes: bool = False) -> Iterator[np.ndarray]:
    """The frames of a take, one at a time; ``homophenes`` as in `mouth_track`."""
    shifted = tuple(
        type(phoneme)(phoneme.label, phoneme.start + take.lead_s, phoneme.end + take.lead_s)
        for phoneme in speech.phonemes
    )
    track = mouth_track(shifted, len(take.motion), homophenes) * take.mouth
    grain = _grain(take)
    rng = np.random.default_rng(take.noise_seed)
    tone, slope = _tone_curve(take), _slope(take.shade)
    for pose, motion, blink, light in zip(track, take.motion, take.blink, take.light, strict=True):
        face = _face().frame(pose, blink)
        moved = cv2.remap(face, *_head_lookup(motion), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if take.flip:
            moved = cv2.flip(moved, 1)
        y, x = rng.integers(0, grain.shape[0] - SIZE), rng.integers(0, grain.shape[1] - SIZE)
        lit = cv2.multiply(cv2.LUT(moved, tone * np.float32(light)), slope)
        yield cv2.add(lit, grain[y : y + SIZE, x : x + SIZE], dtype=cv2.CV_8U)


def write_clip(
    path: str | Path, speech: Speech, take: Take, homophenes: bool = False,
    look: Callable[[np.ndarray], np.ndarray] | None = None,
) -> int:  # fmt: skip
    """Write the take as H.264 with AAC sound, exactly as long as its frames; returns their number. ``look`` is applied
    to each frame."""
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS, options=X264)
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=speech.rate, layout="mono")
        for number, image in enumerate(render_frames(speech, take, homophenes)):
            image = look(image) if look else image
            frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(_padded(speech, take)[None], format="s16", layout="mono")
        frame.sample_rate = speech.rate
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return len(take.motion)


def write_sound(path: str | Path, speech: Speech, take: Take) -> int:
    """Write only the sound of a take, as a .wav of 16 kHz; returns the number of frames that it covers."""
    samples = _padded(speech, take).astype(np.float32) / 32768
    resampled = resample_poly(samples, SAMPLE_RATE, speech.rate).astype(np.float32)
    write_wave(path, fit_length(resampled, len(take.motion) * SAMPLES_PER_FRAME))
    return len(take.motion)


@lru_cache(maxsize=1)
def _face() -> Face:
    cv2.setNumThreads(1)  # processes make clips in parallel
    return Face()


def _padded(speech: Speech, take: Take) -> np.ndarray:
    """Samples (T * rate / 25,) int16 with the silence before and after the speech."""
    samples = np.zeros(len(take.motion) * speech.rate // FPS, np.int16)
    start = round(take.lead_s * speech.rate)
    voiced = speech.samples[: len(samples) - start]
    samples[start : start + len(voiced)] = voiced
    return samples


def _drift(rng: np.random.Generator, length: int) -> np.ndarray:
    """A slow random movement (T,), between about -1 and 1: three sines of 0.15 to 0.9 Hz."""
    time = np.arange(length) / FPS
    rates, phases = rng.uniform(0.15, 0.9, 3), rng.uniform(0, 2 * np.pi, 3)
    return np.sin(2 * np.pi * time[:, None] * rates + phases).mean(axis=1) * 1.5


def _blinks(rng: np.random.Generator, length: int) -> np.ndarray:
    """Lids (T,) closed by 0..1: a blink every few seconds, a quarter of a second long."""
    blink, centre = np.zeros(length), float(rng.uniform(0, 4) * FPS)
    while centre < length:
        blink = np.maximum(blink, np.clip(1.3 - np.abs(np.arange(length) - centre) / 2.4, 0, 1))
        centre += float(rng.uniform(2, 5) * FPS)
    return blink


@lru_cache(maxsize=1)
def _head_grids() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y from the head's centre, share of each pixel in its motion, its relief; (S, S) float32."""
    x, y = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
    cx, cy, rx, ry = (np.float32(share * SIZE) for share in HEAD)
    radius = np.hypot((x - cx) / rx, (y - cy) / ry)
    share = cv2.GaussianBlur(np.clip(1.45 - radius * 0.75, 0.15, 1), (0, 0), 6)
    return x - cx, y - cy, share, np.sqrt(np.clip(1 - radius**2, 0, 1))


def _head_lookup(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The source of each pixel, x and y (S, S) float32, when the head moves."""
    x, y, share, relief = _head_grids()
    dx, dy, roll, zoom, yaw = motion
    c, s = np.cos(roll) / (1 + zoom), np.sin(roll) / (1 + zoom)
    plane = np.array(((c - 1, s, -c * dx - s * dy), (-s, c - 1, s * dx - c * dy)), np.float32)
    back_x = plane[0, 0] * x + plane[0, 1] * y + plane[0, 2] - np.float32(yaw) * relief
    back_y = plane[1, 0] * x + plane[1, 1] * y + plane[1, 2]
    cx, cy = np.float32(HEAD[0] * SIZE), np.float32(HEAD[1] * SIZE)
    return x + share * back_x + cx, y + share * back_y + cy


def _tone_curve(take: Take) -> np.ndarray:
    """Grey level -> grey level (256,) float32 by gamma and contrast."""
    level = np.linspace(0, 1, 256) ** take.gamma
    return np.clip(255 * (0.45 + take.contrast * (level - 0.45)), 0, 255).astype(np.float32)


def _slope(shade: float) -> np.ndarray:
    """Light that increases from one side of the frame to the other, (S, S, 3) float32."""
    ramp = 1 + shade * np.linspace(-0.5, 0.5, SIZE, dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (SIZE, SIZE, 3)))


def _grain(take: Take) -> np.ndarray:
    """A sheet of camera noise larger than the frame; every frame uses its own part of it."""
    sheet = np.random.default_rng(take.noise_seed + 1).normal(size=(SIZE + 64, SIZE + 64, 3))
    return (sheet * take.noise).astype(np.float32)
