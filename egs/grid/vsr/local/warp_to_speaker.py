"""Mouth crops warped to another speaker's lip movement: pixels of few speakers, shaped by the tracks of many.

Each word of a clip takes the trajectory of the nine points in the same word of another speaker, stretched in time to
fit; a thin-plate spline (Bookstein 1989) moves the pixels frame by frame, while nose and border stay. Teeth and tongue
remain those of the clip: only shape and movement of the lips are the other speaker's.

    local/warp_to_speaker.py --manifest data/crops/train/manifest.jsonl --tracks data/landmarks/train.jsonl \\
        --out data/crops/warped

Shapes: crop (T, 96, 96) uint8, points (T, 9, 2) pixels of the crop, trajectory (F, 9, 2) in mouth widths.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import gaussian_filter1d

from vsr.core.clock import FPS
from vsr.core.progress import count_items
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.mouth_track import Track, load_track
from vsr.face.mouth_points import NINE

SIDE, EYES = 96, 35.0  # side of a crop; distance of the inner eye corners in its mean face, pixels
WIDTH, LIPS, CHIN = 3, 4, NINE.index(152)  # index of the measure width / EYES; number of lip points
STIFF, STEPS, FARTHEST = 20.0, 33, 9.0  # smoothing of the spline, its grid points per side, largest displacement (px)
EDGE = [(x, y) for x in (0, 32, 64, 95) for y in (0, 95)] + [(x, y) for x in (0, 95) for y in (32, 64)]
STILL = np.array([*EDGE, (48, 22), (34, 20), (62, 20)], float)  # the border and the nose


def trajectory_of(track: Track) -> tuple[np.ndarray, np.ndarray]:
    """A gapless track -> trajectory (F, 9, 2) about its mean shape; mean shape (9, 2) about the lips; mouth widths."""
    mean = track.points.mean(0)
    return (track.points - mean) / track.width, (mean - mean[:LIPS].mean(0)) / track.width


def on_crop(track: Track) -> tuple[np.ndarray, float]:
    """A clip's track -> its points (T, 9, 2) on the crop, and the mouth width on the crop."""
    zoom = EYES * float(np.median(track.measures[:, WIDTH])) / track.width
    centre = gaussian_filter1d(track.points[:, :LIPS].mean(1), 5, axis=0)
    return (track.points - centre[:, None]) * zoom + SIDE / 2, track.width * zoom


def stretch(trajectory: np.ndarray, frames: int) -> np.ndarray:
    """(F, 9, 2) -> (``frames``, 9, 2), linearly interpolated in time."""
    positions = np.linspace(0, len(trajectory) - 1, frames)
    before = np.floor(positions).astype(int)
    after, share = np.minimum(before + 1, len(trajectory) - 1), (positions - before)[:, None, None]
    return trajectory[before] * (1 - share) + trajectory[after] * share


def warp_image(image: np.ndarray, points: np.ndarray, destinations: np.ndarray) -> np.ndarray:
    """An image (96, 96) whose ``points`` (9, 2) are moved to ``destinations`` (9, 2)."""
    line = np.linspace(0, SIDE - 1, STEPS)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    targets = np.concatenate([destinations, STILL])
    displacements = np.concatenate([points - destinations, np.zeros_like(STILL)])
    field = RBFInterpolator(targets, displacements, kernel="thin_plate_spline", smoothing=STIFF)(grid)
    offsets = cv2.resize(field.reshape(STEPS, STEPS, 2).astype(np.float32), (SIDE, SIDE))
    sampling_map = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).astype(np.float32) + offsets
    return cv2.remap(image, sampling_map, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class OtherSpeakers:
    """Words of the speakers of a list: (speaker, position in the sentence, word) -> clips and frames."""

    def __init__(self, clips: Sequence[Clip], without: Sequence[str]):
        self._occurrences: dict[tuple[str, int, str], list[tuple[Clip, float, float]]] = defaultdict(list)
        for clip in clips:
            for position, (word, start, end) in enumerate(clip.words if clip.speaker not in without else ()):
                self._occurrences[clip.speaker, position, word].append((clip, start, end))
        self.speakers = sorted({speaker for speaker, _, _ in self._occurrences})
        self._trajectories: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def trajectory(self, speaker: str, place: int, word: str, rng) -> tuple[np.ndarray, np.ndarray] | None:
        """Trajectory (F, 9, 2) of a word by ``speaker``, and the mean shape (9, 2); None if the word is missing."""
        utterances = self._occurrences.get((speaker, place, word))
        if not utterances:
            return None
        clip, start, end = utterances[rng.integers(len(utterances))]
        if clip.id not in self._trajectories:
            self._trajectories[clip.id] = trajectory_of(load_track(clip))
        words_trajectory, shape = self._trajectories[clip.id]
        first = min(round(start * FPS), len(words_trajectory) - 1)
        return words_trajectory[first : max(first + 1, round(end * FPS))], shape


def movement(clip: Clip, track: Track, others: OtherSpeakers, rng) -> np.ndarray:
    """Displacement of the points of a clip, (T, 9, 2) in mouth widths; zero if the other speaker has no such word."""
    trajectory, shape = trajectory_of(track)
    replaced, is_replaced, shapes = trajectory.copy(), np.zeros(len(trajectory)), []
    speaker = others.speakers[rng.integers(len(others.speakers))]
    for position, (word, start, end) in enumerate(clip.words):
        span = slice(round(start * FPS), min(len(trajectory), max(round(start * FPS) + 1, round(end * FPS))))
        match = others.trajectory(speaker, position, word, rng) if len(trajectory[span]) else None
        if match:
            replaced[span], is_replaced[span] = stretch(match[0], len(trajectory[span])), 1.0
            shapes.append(match[1])
    if not shapes:
        return np.zeros_like(trajectory)
    shape_shift = rng.uniform(0.3, 1.0) * (np.mean(shapes, 0) - shape)
    shape_shift[CHIN] = 0.0  # the chin may lie outside the crop
    movement_shift = gaussian_filter1d(replaced, 0.7, axis=0) - trajectory
    movement_shift[:, CHIN] /= 2
    return rng.uniform(0.6, 1.2) * movement_shift * gaussian_filter1d(is_replaced, 1.5)[:, None, None] + shape_shift


def warp_to_speaker(clip: Clip, others: OtherSpeakers, rng) -> np.ndarray:
    """The clip's crop (T, 96, 96) with another speaker's lip movement."""
    crop, track = np.load(clip.crop), load_track(clip)
    points, width = on_crop(track)
    moved = points + np.clip(movement(clip, track, others, rng) * width, -FARTHEST, FARTHEST)
    return np.stack([warp_image(image, *where) for image, *where in zip(crop, points, moved, strict=True)])


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True, help="clips with crops, tracks and times of their words")
    options.add_argument("--tracks", required=True, help="manifest of vsr prepare landmarks: how others move")
    options.add_argument("--without", nargs="*", default=[], help="speakers whose ways are not taken")
    options.add_argument("--copies", type=int, default=1, help="of each clip, each as somebody else (default: 1)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", required=True, type=Path)
    return options


def main() -> int:
    """Write the crops and their manifest."""
    args = parser().parse_args()
    clips = [clip for clip in read_manifest(args.manifest) if clip.track and clip.words]
    others = OtherSpeakers(read_manifest(args.tracks), [*args.without, *{clip.speaker for clip in clips}])
    args.out.mkdir(parents=True, exist_ok=True)
    copies = []
    for number, clip in enumerate(count_items(clips, "warp", len(clips))):
        for copy in range(args.copies):
            name = f"{clip.id}_{copy}"
            np.save(
                args.out / f"{name}.npy",
                warp_to_speaker(clip, others, np.random.default_rng((args.seed, number, copy))),
            )
            copies.append(replace(clip, id=name, crop=str(args.out / f"{name}.npy"), track=""))
    write_manifest(args.out / "manifest.jsonl", copies)
    print(f"{len(copies)} clips: {args.out / 'manifest.jsonl'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
