"""Mouth poses and blinks -> the photograph with its lips, jaw and eyelids moved; one frame at a time.

The photograph is the portrait of Eileen Collins (NASA, public domain) that scikit-image carries in its wheel
as `data.astronaut`.  Around mouth and eyes lies a mesh of triangles; a pose moves its corners, every pixel
then looks up where its triangle was in the photograph, and what the parted lips uncover is painted: teeth,
tongue, darkness.

Lengths around the mouth are in units of half the mouth's width in the photograph (x to the right, y down).
"""

from __future__ import annotations

import cv2
import numpy as np

from vsr.corpora.puppet.visemes import PARAMETERS

SIZE = 288  # side of the square that is rendered, in pixels
CROP_X, CROP_Y, CROP_SIZE = 136, 24, 176  # the part of the photograph that is shown

# Our own measurements on the photograph, in its pixels, from the right corner of the mouth to the left.
OUTER_UPPER = ((202.3, 139.8), (204.5, 139.6), (207.5, 139.5), (211.5, 139.4), (217.2, 139.3), (223.6, 140.2),
               (230.1, 139.7), (236.3, 140.0), (240.4, 140.2), (243.7, 140.4), (246.6, 140.8))  # fmt: skip
OUTER_LOWER = ((202.3, 139.8), (204.6, 144.2), (207.5, 148.3), (211.5, 152.1), (216.7, 154.4), (222.9, 155.4),
               (229.4, 154.9), (235.0, 152.9), (239.6, 149.4), (243.1, 145.3), (246.6, 140.8))  # fmt: skip
INNER_UPPER = ((203.7, 140.4), (206.2, 140.7), (209.4, 141.3), (213.1, 142.0), (217.7, 143.0), (223.5, 143.8),
               (229.6, 143.4), (234.6, 142.6), (238.5, 142.0), (241.9, 141.5), (245.2, 141.3))  # fmt: skip
INNER_LOWER = ((203.7, 140.4), (206.9, 143.9), (209.4, 146.4), (213.1, 148.7), (217.6, 150.2), (223.1, 150.9),
               (228.9, 150.5), (233.7, 149.1), (237.8, 147.2), (240.9, 144.9), (245.2, 141.3))  # fmt: skip
EYES_UPPER = (
    (
        (195.5, 100.8),
        (197.6, 99.2),
        (199.7, 98.2),
        (203.2, 97.9),
        (206.9, 98.4),
        (210.4, 100.2),
        (214.1, 104.0),
    ),
    (
        (236.9, 105.3),
        (241.3, 102.0),
        (245.0, 100.6),
        (248.8, 100.3),
        (252.4, 101.0),
        (254.5, 102.4),
        (256.3, 104.2),
    ),
)
EYES_LOWER = (
    (
        (195.5, 100.8),
        (198.1, 103.1),
        (200.3, 104.0),
        (203.8, 104.6),
        (207.3, 104.6),
        (210.7, 104.3),
        (214.1, 104.0),
    ),
    (
        (236.9, 105.3),
        (240.2, 105.8),
        (243.6, 106.4),
        (247.1, 106.8),
        (250.6, 106.8),
        (253.0, 106.2),
        (256.3, 104.2),
    ),
)
MOUTH = np.array((224.2, 145.5))  # the origin of the mouth's own axes
UNIT, TILT = 22.0, 0.03  # half width in pixels of the photograph; its axes are turned by this (radians)
JAW_DROP, GAP = 0.50, 0.62  # how far jaw = 1 lowers the chin, and open = 1 parts the lips
BITE = 0.30  # y of the biting edge of the upper teeth in the photograph, at x = 0
LIP_LINE = (105.0, 52.0, 50.0)  # colour of the shadow where the lips meet


class Face:
    """The photograph, its mesh, and what a pose does to it."""

    def __init__(self):
        self.photo = _photograph()  # (SIZE, SIZE, 3) uint8
        self.skin = _without_gap(self.photo)
        self.rest = _to_pixels(_source_points())
        self.triangles = _triangulate(self.rest)
        corners = self.rest.reshape(-1, 2)
        self.low = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
        self.high = np.minimum(np.ceil(corners.max(0)).astype(int) + 3, SIZE)
        x, y = np.meshgrid(np.arange(self.low[0], self.high[0]), np.arange(self.low[1], self.high[1]))
        self._pixels = np.stack([x, y], axis=-1).astype(np.float32)

    def frame(self, pose: np.ndarray, blink: float = 0.0) -> np.ndarray:
        """The face (SIZE, SIZE, 3) uint8 RGB with the mouth in `pose` (K,), lids closed by `blink` 0..1."""
        targets = _to_pixels(_target_points(dict(zip(PARAMETERS, map(float, pose), strict=True)), blink))
        lookup = self._lookup(targets)
        skin = cv2.remap(self.skin, lookup, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result = self.skin.copy()
        result[self.low[1] : self.high[1], self.low[0] : self.high[0]] = skin
        _paint_mouth(result, self.photo, dict(zip(PARAMETERS, map(float, pose), strict=True)))
        return result

    def _lookup(self, targets: np.ndarray) -> np.ndarray:
        """Where in the photograph each pixel of the mesh's box comes from, (h, w, 2) float32."""
        owner = np.zeros(self._pixels.shape[:2], np.uint16)
        shifted = np.round((targets - self.low) * 16).astype(np.int32)
        for number, triangle in enumerate(shifted[self.triangles], 1):
            cv2.fillConvexPoly(owner, triangle, number, lineType=cv2.LINE_8, shift=4)
        affine = _affine_back(targets[self.triangles], self.rest[self.triangles])[owner]
        return np.einsum("hwij,hwj->hwi", affine[..., :2], self._pixels) + affine[..., 2]


def _photograph() -> np.ndarray:
    """The shown part of the photograph, enlarged to (SIZE, SIZE, 3) uint8 RGB."""
    import skimage.data

    part = skimage.data.astronaut()[CROP_Y : CROP_Y + CROP_SIZE, CROP_X : CROP_X + CROP_SIZE]
    return cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def _without_gap(photo: np.ndarray) -> np.ndarray:
    """The photograph with teeth and dark corners of its smile filled from the lips around."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [_gap().round().astype(np.int32)], 255)
    lips = np.zeros_like(mask)
    outline = _to_pixels(np.concatenate([OUTER_UPPER, OUTER_LOWER[::-1]]))
    cv2.fillPoly(lips, [outline.round().astype(np.int32)], 255)
    dark = (photo.max(axis=2) < 150) & (cv2.dilate(lips, np.ones((9, 9))) > 0)
    mask = cv2.dilate(np.where(dark, 255, mask).astype(np.uint8), np.ones((3, 3)))
    return cv2.inpaint(photo, mask, 5, cv2.INPAINT_TELEA)


def _gap() -> np.ndarray:
    """Outline (22, 2) float32 of the gap between the photograph's lips, in rendered pixels."""
    return np.concatenate([_to_pixels(np.array(INNER_UPPER)), _to_pixels(np.array(INNER_LOWER))[::-1]])


def _to_pixels(points: np.ndarray) -> np.ndarray:
    """Photograph coordinates -> pixels of the rendered square (pixel centres agree)."""
    return ((points - (CROP_X, CROP_Y) + 0.5) * (SIZE / CROP_SIZE) - 0.5).astype(np.float32)


_AXES = UNIT * np.array(((np.cos(TILT), np.sin(TILT)), (-np.sin(TILT), np.cos(TILT))))  # the mouth's x and y
_AXES_BACK = np.linalg.inv(_AXES)


def _to_mouth(points) -> np.ndarray:
    return (np.asarray(points) - MOUTH) @ _AXES_BACK


def _from_mouth(points: np.ndarray) -> np.ndarray:
    return points @ _AXES + MOUTH


_RING_SIDES = 24


def _rings() -> np.ndarray:
    """Rings of skin in mouth units, (3, 24, 2): around the lips, across chin and cheeks, held still."""
    angle = np.linspace(0, 2 * np.pi, _RING_SIDES, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    shapes = ((1.32, 0.42, 0.80), (1.75, 0.62, 1.42), (2.35, 1.15, 2.05))
    return np.stack([np.stack([w * x, np.where(y < 0, up, down) * y], axis=-1) for w, up, down in shapes])


def _source_points() -> np.ndarray:
    """All corners of the mesh in the photograph, (P, 2): lips (44), rings (72), each eye's lids and ring."""
    lips = np.concatenate([OUTER_UPPER, OUTER_LOWER, INNER_UPPER, INNER_LOWER])
    eyes = [
        np.concatenate([up, low, _eye_ring(up, low)]) for up, low in zip(EYES_UPPER, EYES_LOWER, strict=True)
    ]
    return np.concatenate([lips, _from_mouth(_rings().reshape(-1, 2)), *eyes])


def _eye_ring(upper, lower) -> np.ndarray:
    """Skin around an eye that does not move, (12, 2)."""
    centre = np.mean([*upper, *lower], axis=0)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return centre + np.stack([13.5 * np.cos(angle), 7.5 * np.sin(angle)], axis=-1)


def _target_points(pose: dict[str, float], blink: float) -> np.ndarray:
    """Where a pose moves the corners of the mesh to, in pixels of the photograph, (P, 2)."""
    outer_up, outer_low, inner_up, inner_low = lip_contours(pose)
    lips = np.concatenate([outer_up, outer_low, inner_up, inner_low])
    moved = [_from_mouth(lips), _from_mouth(_moved_rings(pose, outer_up, outer_low))]
    for upper, lower in zip(EYES_UPPER, EYES_LOWER, strict=True):
        lids = np.asarray(upper) + 0.95 * blink * (np.asarray(lower) - upper)
        moved.append(np.concatenate([lids, lower, _eye_ring(upper, lower)]))
    return np.concatenate(moved)


def lip_contours(pose: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outer upper, outer lower, inner upper, inner lower edge of the lips in mouth units, each (11, 2)."""
    s = np.linspace(-1, 1, 11)
    x = np.sign(s) * np.abs(s) ** 0.9
    half = 0.90 * (1 + 0.12 * pose["width"] - 0.26 * pose["round"] - 0.07 * pose["jaw"])
    arch = np.sqrt(np.clip(1 - s**2, 0, 1)) * (1 - 0.25 * (1 - pose["round"]) * s**2)
    lip_line = 0.09 - 0.11 * s**2 - 0.05 * pose["width"] * s**2 + 0.10 * pose["jaw"] * s**2
    up = arch * (0.22 * GAP * pose["open"] + 0.10 * pose["raise"] * pose["open"] ** 0.5)
    down = arch * (0.78 * GAP * pose["open"])
    press, pout = 1 - 0.45 * pose["press"], 1 + 0.30 * pose["round"]
    tuck = 0.12 * pose["tuck"] * arch
    bow = 1 - 0.10 * np.exp(-((s / 0.15) ** 2))  # Cupid's bow
    thick_up = 0.19 * bow * np.sqrt(np.clip(1 - s**2, 0, 1)) * press * pout + 0.02
    thick_low = 0.27 * np.sqrt(np.clip(1 - s**2, 0, 1)) * press * pout * (1 - 0.45 * pose["tuck"]) + 0.02
    inner_up, inner_low = lip_line - up, lip_line + down - tuck * pose["open"]
    outer_x, inner_x = half * x * 1.04, half * x
    return (
        np.stack([outer_x, inner_up - thick_up - 0.02 * pose["round"]], axis=-1),
        np.stack([outer_x, inner_low + thick_low], axis=-1),
        np.stack([inner_x, inner_up], axis=-1),
        np.stack([inner_x, inner_low], axis=-1),
    )


def _moved_rings(pose: dict[str, float], outer_up: np.ndarray, outer_low: np.ndarray) -> np.ndarray:
    """Rings (72, 2) that follow the lips the less the farther out; chin and cheeks follow the jaw."""
    rings = _rings()
    source_up, source_low = _to_mouth(OUTER_UPPER), _to_mouth(OUTER_LOWER)
    for ring, follow, jaw in zip(rings, (0.55, 0.15, 0.0), (0.30, 0.80, 0.0), strict=True):
        reach = ring[:, 0] / np.abs(ring[:, 0]).max()
        for edge, source, side in (
            (outer_up, source_up, ring[:, 1] < 0),
            (outer_low, source_low, ring[:, 1] >= 0),
        ):
            shift = edge - source
            at = np.linspace(-1, 1, len(edge))
            pull = np.stack([np.interp(reach[side], at, shift[:, axis]) for axis in (0, 1)], axis=-1)
            below = np.clip(ring[side, 1] / 0.8, 0, 1)
            ring[side] += follow * pull
            ring[side, 1] += jaw * JAW_DROP * pose["jaw"] * below
    return rings.reshape(-1, 2)


def _triangulate(points: np.ndarray) -> np.ndarray:
    """Delaunay triangles (N, 3) of the resting corners, without those between the lips."""
    from scipy.spatial import Delaunay

    mouth = np.arange(44 + 3 * _RING_SIDES)
    groups = [mouth] + [mouth[-1] + 1 + 26 * eye + np.arange(26) for eye in (0, 1)]
    found = []
    for group in groups:
        _, unique = np.unique(
            points[group].round(2), axis=0, return_index=True
        )  # corners of lips and lids coincide
        group = group[np.sort(unique)]
        found.append(group[Delaunay(points[group]).simplices])
    triangles = np.concatenate(found)
    eyes = [
        _to_pixels(np.concatenate([up, low[::-1]])) for up, low in zip(EYES_UPPER, EYES_LOWER, strict=True)
    ]
    # A pixel on an edge belongs to the triangle drawn last: the lids are drawn over the eyes.
    return np.concatenate(
        [_inside(triangles, points, eyes, True), _inside(triangles, points, [_gap(), *eyes], False)]
    )


def _inside(
    triangles: np.ndarray, points: np.ndarray, outlines: list[np.ndarray], wanted: bool
) -> np.ndarray:
    """The triangles whose centre is inside one of the outlines, or the others."""
    centres = points[triangles].mean(axis=1)
    tests = [
        [cv2.pointPolygonTest(line, (float(x), float(y)), False) > 0 for x, y in centres] for line in outlines
    ]
    return triangles[np.any(tests, axis=0) == wanted]


def _affine_back(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Affine maps (N + 1, 2, 3) from moved triangles (N, 3, 2) to resting ones; number 0 is the identity."""
    edges, rest = targets[:, 1:] - targets[:, :1], sources[:, 1:] - sources[:, :1]
    (a, b), (c, d) = np.moveaxis(edges[:, 0], 1, 0), np.moveaxis(edges[:, 1], 1, 0)
    area = a * d - b * c
    area = np.where(
        np.abs(area) < 0.5, np.inf, area
    )  # a triangle squeezed to a line looks up one corner only
    inverse = np.stack([d, -b, -c, a], axis=-1).reshape(-1, 2, 2) / area[:, None, None]
    linear = (inverse @ rest).transpose(0, 2, 1)
    offset = sources[:, 0] - np.einsum("nij,nj->ni", linear, targets[:, 0])
    maps = np.concatenate([linear, offset[:, :, None]], axis=2)
    return np.concatenate([np.eye(3)[None, :2], maps]).astype(np.float32)


def _paint_mouth(image: np.ndarray, photo: np.ndarray, pose: dict[str, float]) -> None:
    """Paint what the parted lips uncover, and the line where they meet, into `image`, in place."""
    _, _, upper, lower = lip_contours(pose)
    outline = _to_pixels(_from_mouth(np.concatenate([upper, lower[::-1]])))
    left, top = np.floor(outline.min(0)).astype(int) - 3
    right, bottom = np.ceil(outline.max(0)).astype(int) + 4
    gap, line = np.zeros((2, bottom - top, right - left), np.uint8)
    corners = [np.round((outline - (left, top)) * 16).astype(np.int32)]
    cv2.fillPoly(gap, corners, 255, cv2.LINE_AA, 4)
    cv2.polylines(line, corners, True, 255, 1, cv2.LINE_AA, 4)
    xs, ys = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    points = (np.stack([xs, ys], axis=-1) + 0.5) * (CROP_SIZE / SIZE) - 0.5 + (CROP_X, CROP_Y)
    inside = _mouth_colour(_to_mouth(points), photo[top:bottom, left:right].astype(np.float32), pose)
    box = image[top:bottom, left:right]
    colour = _blend(box, inside, _softened(gap) * np.clip(pose["open"] * 12, 0, 1))
    box[:] = np.clip(_blend(colour, np.array(LIP_LINE), 0.5 * _softened(line)), 0, 255).astype(np.uint8)


def _softened(mask: np.ndarray) -> np.ndarray:
    """A mask (h, w) uint8 as shares (h, w, 1) with soft edges."""
    return (cv2.GaussianBlur(mask, (3, 3), 0.7) / np.float32(255))[..., None]


def _mouth_colour(inside: np.ndarray, photo: np.ndarray, pose: dict[str, float]) -> np.ndarray:
    """Colours (h, w, 3) float of the open mouth at points (h, w, 2) in mouth units."""
    x, y = inside[..., :1], inside[..., 1:]
    colour = np.ones_like(photo) * np.array((42.0, 16.0, 16.0)) * (1 - 0.3 * np.clip(np.abs(x), 0, 1))
    drop = GAP * pose["jaw"]
    tongue_top = 0.36 + 0.7 * drop - 0.42 * pose["tongue"] + 0.5 * x**2
    colour = _blend(colour, np.array((176.0, 92.0, 90.0)) * (0.9 - 0.35 * np.abs(x)), (y - tongue_top) * 14)
    low_edge = 0.27 + 0.85 * drop - 0.02 * np.cos(18 * x) + 0.12 * x**2
    low_teeth = np.array((196.0, 186.0, 176.0)) * (0.92 - 0.5 * np.clip(np.abs(x), 0, 1) ** 2)
    colour = _blend(colour, low_teeth, np.minimum((y - low_edge) * 18, (0.72 - np.abs(x)) * 8))
    bite = BITE - 0.20 * x**2
    shade = 0.97 - 0.35 * np.clip(np.abs(x), 0, 1) ** 2
    return _blend(colour, photo * shade, np.minimum((bite - y) * 18, (0.85 - np.abs(x)) * 8))


def _blend(under: np.ndarray, over: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """`over` where amount >= 1, `under` where it is <= 0."""
    amount = np.clip(amount, 0, 1)
    return under * (1 - amount) + over * amount
