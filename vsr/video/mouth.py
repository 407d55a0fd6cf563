"""Third station: tracks become mouth crops in the geometry that published lip readers were trained on.

Shapes: frames (n, H, W, 3) uint8; points (n, 37, 2) float32 pixels; crop (T, 96, 96) uint8 gray; times (T,) seconds.

Four anchors of each frame (centres of the right eye, left eye, nose base and mouth) are laid on those of a mean face
in a 256 x 256 picture by the least-squares similarity; 96 x 96 pixels round the mouth are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.clock import FPS
from vsr.errors import VsrError
from vsr.video.faces import Detector, default_detector
from vsr.video.reader import VideoInfo, probe, read_frames
from vsr.video.tracks import Track, track_faces

CROP = 96
ANCHORS = (slice(5, 11), slice(11, 17), slice(0, 5), slice(17, 37))  # right eye, left eye, nose, mouth in `points`
REFERENCE = np.array([(102.07, 94.27), (156.36, 93.58), (129.00, 135.90), (129.31, 157.82)])
MOUTH = 3
SMOOTHING = 6  # frames on each side
MIN_FRAMES = 12  # below half a second there is no word to read
HOLD = FPS  # frames by which a track may be prolonged to the clip's ends
MIN_SEEN = 0.5  # share of its frames in which a bystander must be found: less is a phantom
MIN_INSIDE = 0.6  # share of the crop that must lie inside the picture
STORE_BYTES = 256 << 20  # clips whose frames fit in this are decoded once, longer ones twice


@dataclass(frozen=True)
class MouthClip:
    """The mouth of one person. crop (T, 96, 96) uint8 gray at 25 fps; times (T,) seconds in the original file;
    face: identity of the track; found: share of frames with a detection; gaps: (first, last) crop frames that were
    interpolated or held."""

    crop: np.ndarray
    times: np.ndarray
    info: VideoInfo
    face: int
    found: float
    gaps: list[tuple[int, int]]


def crop_video(path: str | Path, detector: Detector | None = None, faces: str = "largest") -> MouthClip:
    """The mouth of the person who fills the screen most ("largest") or who is seen longest ("longest").

    Raises VsrError: unreadable, no_video, too_short (under 12 frames), no_face, crop_out_of_frame.
    """
    if faces not in ("largest", "longest"):
        raise ValueError(f"faces is 'largest' or 'longest', not {faces!r}")
    video = _Video(path)
    tracks = _ranked(video.tracks(detector), longest=faces == "longest")
    return video.crops(tracks[:1])[0]


def crop_tracks(path: str | Path, detector: Detector | None = None) -> list[MouthClip]:
    """The mouth of every person seen for at least 12 frames, who fills the screen most first.

    People whose mouth is out of the picture are left out; raises what `crop_video` raises if nobody remains.
    """
    video = _Video(path)
    clips, refusal = [], None
    first, *others = _ranked(video.tracks(detector))
    for track in [first, *(track for track in others if track.seen.mean() >= MIN_SEEN)]:
        try:
            clips += video.crops([track])
        except VsrError as error:
            refusal = refusal or error
    if not clips:
        raise refusal
    return clips


class _Video:
    """A file whose frames are wanted twice: for the faces, and (smoothing looks ahead) for the crops."""

    def __init__(self, path: str | Path):
        self.path, self.info = path, probe(path)
        self._store: list[np.ndarray] | None = []
        self._times: list[np.ndarray] = []

    def tracks(self, detector: Detector | None) -> list[Track]:
        """Tracks of at least 12 frames. Raises VsrError too_short or no_face."""
        tracks = track_faces(self._first_pass(), detector or default_detector())
        self.times = np.concatenate(self._times)
        count = len(self.times)
        if count < MIN_FRAMES:
            raise VsrError("too_short", f"{self.path}: {count} frames at 25 fps, at least {MIN_FRAMES} needed")
        tracks = [track for track in tracks if track.seen.sum() >= MIN_FRAMES]
        if not tracks:
            raise VsrError("no_face", f"{self.path}: no face found for {MIN_FRAMES} frames")
        return tracks

    def _first_pass(self) -> Iterator[np.ndarray]:
        stored = 0
        for frames, times in read_frames(self.path):
            self._times.append(times)
            stored += frames.nbytes
            if self._store is not None:
                self._store = self._store + [frames] if stored <= STORE_BYTES else None
            yield from frames

    def _frames(self) -> Iterator[np.ndarray]:
        """All frames once more, from memory where they fit."""
        chunks = self._store if self._store is not None else (frames for frames, _ in read_frames(self.path))
        for frames in chunks:
            yield from frames

    def crops(self, tracks: list[Track]) -> list[MouthClip]:
        """Cut the mouths of `tracks`. Raises VsrError crop_out_of_frame."""
        spans = [_prolonged(track, len(self.times)) for track in tracks]
        transforms = [mouth_transforms(points) for _, points, _ in spans]
        crops = [np.empty((len(points), CROP, CROP), np.uint8) for _, points, _ in spans]
        inside = [np.zeros(len(points)) for _, points, _ in spans]
        for index, frame in enumerate(self._frames()):
            for (start, _, _), matrices, crop, share in zip(spans, transforms, crops, inside, strict=True):
                if 0 <= index - start < len(crop):
                    crop[index - start] = cut_mouth(frame, matrices[index - start])
                    share[index - start] = share_inside(frame.shape, matrices[index - start])
        return [self._clip(*each) for each in zip(tracks, spans, crops, inside, strict=True)]

    def _clip(self, track: Track, span: tuple, crop: np.ndarray, inside: np.ndarray) -> MouthClip:
        start, _, seen = span
        if np.mean(inside < MIN_INSIDE) > 0.2:
            raise VsrError("crop_out_of_frame", f"{self.path}: the mouth of face {track.id} is outside the picture")
        times = self.times[start : start + len(crop)]
        return MouthClip(crop, times, self.info, track.id, float(seen.mean()), _runs(~seen))


def _ranked(tracks: list[Track], longest: bool = False) -> list[Track]:
    """Tracks, the chosen first."""
    return sorted(tracks, key=lambda track: -(track.seen.sum() if longest else track.weight))


def _prolonged(track: Track, num_frames: int) -> tuple[int, np.ndarray, np.ndarray]:
    """(start, points without gaps (n, 37, 2), seen (n,) bool) with up to 1 s held at either end of the clip.

    A person whom the detector misses at first is there all the same: the text of the clip begins with the clip.
    """
    before = track.start if track.start <= HOLD else 0
    after = num_frames - track.stop if num_frames - track.stop <= HOLD else 0
    points = np.pad(fill_gaps(track.points), ((before, after), (0, 0), (0, 0)), mode="edge")
    return track.start - before, points, np.pad(track.seen, (before, after))


def fill_gaps(points: np.ndarray) -> np.ndarray:
    """points (n, P, 2) with NaN frames -> the same, missing frames interpolated linearly, ends held."""
    flat = points.reshape(len(points), -1)
    seen = ~np.isnan(flat[:, 0])
    if seen.all():
        return points
    at, known = np.arange(len(flat)), np.flatnonzero(seen)
    filled = [np.interp(at, known, column[seen]) for column in flat.T]
    return np.stack(filled, axis=1).reshape(points.shape).astype(points.dtype)


def smooth(points: np.ndarray, reach: int = SMOOTHING) -> np.ndarray:
    """points (n, P, 2) -> the shape averaged over min(reach, t, n-1-t) frames each side, at each frame's own place.

    The centred window calms the jitter of the landmarks; the shift back to the frame's own mean keeps the crop from
    lagging behind a moving head.
    """
    count = len(points)
    sums = np.concatenate([np.zeros_like(points[:1], dtype=np.float64), np.cumsum(points, axis=0, dtype=np.float64)])
    at = np.arange(count)
    half = np.minimum(reach, np.minimum(at, count - 1 - at))
    means = (sums[at + half + 1] - sums[at - half]) / (2 * half + 1)[:, None, None]
    return means - means.mean(axis=1, keepdims=True) + points.mean(axis=1, keepdims=True)


def mouth_transforms(points: np.ndarray) -> np.ndarray:
    """points (n, 37, 2) without gaps -> (n, 2, 3) float64 matrices from frame pixels to the 96 x 96 crop."""
    smoothed = smooth(points)
    anchors = np.stack([smoothed[:, part].mean(axis=1) for part in ANCHORS], axis=1)
    matrices = similarity(anchors, REFERENCE)
    mouth = np.einsum("nij,nj->ni", matrices[:, :, :2], anchors[:, MOUTH]) + matrices[:, :, 2]
    matrices[:, :, 2] += CROP / 2 - mouth
    return matrices


def similarity(sources: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares rotation, scale and shift: sources (n, K, 2), target (K, 2) -> (n, 2, 3).

    In the complex plane a similarity is z -> a z + b, so the fit has a closed form.
    """
    z, w = sources @ np.array([1, 1j]), target @ np.array([1, 1j])
    z_mean, w_mean = z.mean(axis=1, keepdims=True), w.mean()
    centred = z - z_mean
    a = (centred.conj() * (w - w_mean)).sum(axis=1) / np.maximum((np.abs(centred) ** 2).sum(axis=1), 1e-9)
    b = w_mean - a * z_mean[:, 0]
    rows = np.stack([a.real, -a.imag, b.real, a.imag, a.real, b.imag], axis=1)
    return rows.reshape(-1, 2, 3)


def cut_mouth(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp frame (H, W, 3) uint8 by matrix (2, 3) to a gray crop (96, 96) uint8; black outside the picture."""
    import cv2

    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.6:  # warping samples single pixels: average first, or a large face aliases
        frame, matrix = _reduced(frame, matrix, scale)
    patch = cv2.warpAffine(frame, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)


def _reduced(frame: np.ndarray, matrix: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the frame under the crop, averaged down by a whole factor, and the matrix for it."""
    import cv2

    corners = crop_corners(matrix)
    height, width = frame.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 8, 0, [width - 1, height - 1])
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 8, 1, [width, height])
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    factor = max(1, round(1 / scale))
    size = (max(1, (x1 - x0) // factor), max(1, (y1 - y0) // factor))
    small = cv2.resize(frame[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    ratio = np.array([(x1 - x0) / size[0], (y1 - y0) / size[1]])
    # Pixel centres: x = x0 + (x' + 0.5) * ratio - 0.5
    shift = np.array([x0, y0]) + 0.5 * ratio - 0.5
    linear = matrix[:, :2] * ratio
    return small, np.column_stack([linear, matrix[:, :2] @ shift + matrix[:, 2]])


def crop_corners(matrix: np.ndarray) -> np.ndarray:
    """(4, 2) frame pixels of the crop's corners under matrix (2, 3)."""
    corners = np.array([(0, 0), (CROP, 0), (CROP, CROP), (0, CROP)], dtype=np.float64)
    return (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def share_inside(shape: tuple[int, ...], matrix: np.ndarray) -> float:
    """Share of a 12 x 12 grid over the crop that lies inside a picture of `shape` (H, W, ...)."""
    ticks = (np.arange(12) + 0.5) * CROP / 12
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    x, y = ((grid - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).T
    return float(np.mean((x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(first), int(stop) - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]
