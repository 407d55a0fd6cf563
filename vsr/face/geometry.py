"""The crop geometry of published lip readers: from face landmarks to the transform of the mouth crop.

Shapes: frame (H, W, 3) uint8; points (n, 37, 2) float32 pixels; crop (96, 96) uint8 gray; matrices (n, 2, 3).

Four anchors of each frame (centres of the right eye, left eye, nose base and mouth) are aligned with those of a mean
face in a 256 x 256 frame by a least-squares similarity transform; 96 x 96 pixels around the mouth are kept.
"""

from __future__ import annotations

import numpy as np

CROP = 96
CORNERS = CROP * np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
ANCHORS = (slice(5, 11), slice(11, 17), slice(0, 5), slice(17, 37))  # right eye, left eye, nose, mouth in `points`
REFERENCE = np.array([(102.07, 94.27), (156.36, 93.58), (129.00, 135.90), (129.31, 157.82)])
MOUTH = 3
SMOOTHING = 6  # frames on each side


def smooth(points: np.ndarray, reach: int = SMOOTHING) -> np.ndarray:
    """Smooth points (n, P, 2): the shape is averaged over min(reach, t, n-1-t) frames each side; its centre stays.

    Averaging removes the jitter of the landmarks; keeping each frame's own centre prevents the crop from lagging
    behind a moving head.
    """
    middle = points.mean(axis=1, keepdims=True, dtype=np.float64)
    return _window_means(points - middle, reach) + middle


def _window_means(values: np.ndarray, reach: int) -> np.ndarray:
    """Average values (n, ...) over min(reach, t, n-1-t) frames each side."""
    count = len(values)
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    at = np.arange(count)
    half = np.minimum(reach, np.minimum(at, count - 1 - at))
    return (sums[at + half + 1] - sums[at - half]) / (2 * half + 1)[:, None, None]


def anchors_of(points: np.ndarray) -> np.ndarray:
    """Centres (n, 4, 2) of right eye, left eye, nose base and mouth, from points (n, 37, 2)."""
    return np.stack([points[:, part].mean(axis=1) for part in ANCHORS], axis=1)


def turn(points: np.ndarray) -> np.ndarray:
    """Sideways turn (n,) of a head from points (n, 37, 2): the distance of the nose from the midpoint of the eyes,
    along the line through them and in eye distances. 0 is frontal; at 0.5 the nose lies below an eye."""
    right, left, nose, _ = anchors_of(points).transpose(1, 0, 2)
    along = left - right
    beside = ((nose - (right + left) / 2) * along).sum(axis=1)
    return np.abs(beside) / np.maximum((along**2).sum(axis=1), 1e-6)


def mouth_transforms(points: np.ndarray) -> np.ndarray:
    """Matrices (n, 2, 3) float64 from frame pixels to the 96 x 96 crop, from points (n, 37, 2) without gaps."""
    middle = points.mean(axis=1, keepdims=True, dtype=np.float64)
    anchors = _window_means(anchors_of(points) - middle, SMOOTHING) + middle  # those of the smoothed points
    matrices = similarity(anchors, REFERENCE)
    mouth = np.einsum("nij,nj->ni", matrices[:, :, :2], anchors[:, MOUTH]) + matrices[:, :, 2]
    matrices[:, :, 2] += CROP / 2 - mouth
    return matrices


def similarity(sources: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares rotation, scale and shift (n, 2, 3) that map sources (n, K, 2) to the target (K, 2).

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
    """Warp frame (H, W, 3) uint8 by matrix (2, 3) to a gray crop (96, 96) uint8; black outside the frame."""
    import cv2

    return cv2.cvtColor(cut(frame, matrix, CROP), cv2.COLOR_RGB2GRAY)


def cut(frame: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Warp frame (H, W, 3) uint8 by matrix (2, 3) to (side, side, 3) uint8; black outside the frame."""
    import cv2

    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.6:  # warping samples single pixels: average first, or a large face aliases
        frame, matrix = _reduced(frame, matrix, scale, side)
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)


def _reduced(frame: np.ndarray, matrix: np.ndarray, scale: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Downsample the part of the frame under the crop by an integer factor; returns it and its matrix to the crop."""
    import cv2

    (x0, y0, x1, y1), size, reduced = reduction(frame.shape[:2], matrix, scale, side)
    return cv2.resize(frame[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA), reduced


def reduction(
    shape: tuple[int, ...], matrix: np.ndarray, scale: float, side: int = CROP
) -> tuple[tuple[int, int, int, int], tuple[int, int], np.ndarray]:
    """The part (x0, y0, x1, y1) of a frame (H, W) that a crop (side, side) covers, its (width, height) after
    downsampling by an integer factor, and the matrix (2, 3) from the downsampled part to the crop."""
    corners = crop_corners(matrix, side)
    height, width = shape
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 8, 0, [width - 1, height - 1])
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 8, 1, [width, height])
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    factor = max(1, round(1 / scale))
    size = (max(1, (x1 - x0) // factor), max(1, (y1 - y0) // factor))
    ratio = np.array([(x1 - x0) / size[0], (y1 - y0) / size[1]])
    # Pixel centres: x = x0 + (x' + 0.5) * ratio - 0.5
    shift = np.array([x0, y0]) + 0.5 * ratio - 0.5
    linear = matrix[:, :2] * ratio
    return (x0, y0, x1, y1), size, np.column_stack([linear, matrix[:, :2] @ shift + matrix[:, 2]])


def crop_corners(matrix: np.ndarray, side: int = CROP) -> np.ndarray:
    """Corners (4, 2) of the crop (side, side) in frame pixels, for a matrix (2, 3)."""
    return _in_frame(CORNERS * (side / CROP), matrix[None])[0]


def shares_inside(shape: tuple[int, ...], matrices: np.ndarray) -> np.ndarray:
    """Share (n,) of each crop that lies inside a frame (H, W), sampled on a 12 x 12 grid; matrices (n, 2, 3)."""
    if _inside(_in_frame(CORNERS, matrices), shape).all():
        return np.ones(len(matrices))
    ticks = (np.arange(12) + 0.5) * CROP / 12
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    return _inside(_in_frame(places, matrices), shape).mean(axis=1)


def _in_frame(places: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Convert positions (k, 2) in the crop to frame pixels (n, k, 2), given similarities (n, 2, 3).

    The rotation is inverted by its transpose: a general inverse starts the threads of BLAS, which then spin.
    """
    linear = matrices[:, :, :2]
    scale = (linear[:, :1] ** 2).sum(axis=2, keepdims=True)
    return (places - matrices[:, None, :, 2]) @ linear / scale


def _inside(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mask of the positions (..., 2) that lie inside a frame of shape (H, W)."""
    return ((places >= 0) & (places < shape[1::-1])).all(axis=-1)
