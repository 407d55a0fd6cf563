#!/usr/bin/env python3
"""Which covered mouths, photographs and poor frames are read: the figures behind the constants
of `vsr/face`.

    tools/bench/covered.py CLIP... [--held-out] [--json FILE]

Each clip of a speaking face is corrupted in every known way, encoded, and classified by the rule of
`vsr/face/stretches.py`. --held-out uses the second half of the kinds of covers and photographs. Prints for each kind:
the minimum, median and maximum of the lip motion (`MOVING` is the threshold), the share of frames that are read, and of
those that count as covered; then, over all kinds, the share of clips on the wrong side for several thresholds.
"""

import argparse
import json
import zlib
from collections import defaultdict

import numpy as np
from covers import COVERED, COVERED_HELD_OUT, PARTLY
from photographs import PHOTOGRAPHS, PHOTOGRAPHS_HELD_OUT, still
from poor_frames import POOR, recode

from vsr.core.files import write_text
from vsr.face.detector import default_detector
from vsr.face.lip_motion import lip_motion
from vsr.face.piece import Piece
from vsr.face.pipeline import blocks
from vsr.face.stretches import MOVING, SHARE, cells_of
from vsr.media.reader import read_frames
from vsr.media.resample import Position

FRAMES = 75  # of each clip


def piece_of(frames: np.ndarray) -> Piece | None:
    """The largest face in frames (T, H, W, 3)."""
    positioned = [(frame, Position(0.0, index)) for index, frame in enumerate(frames)]
    (block,) = blocks(positioned, default_detector(), longest=None)
    return max(block.pieces, key=lambda piece: piece.weight, default=None)


def kinds_of(held_out: bool) -> dict[str, dict]:
    """Group -> name -> corruption, a function of (frames, points, random generator)."""
    covered, photographs = (COVERED_HELD_OUT, PHOTOGRAPHS_HELD_OUT) if held_out else (COVERED, PHOTOGRAPHS)
    moving_photographs = {
        name: lambda f, p, d, corruption=corruption: corruption(still(f), d) for name, corruption in photographs.items()
    }
    return {"poor": POOR, "covered": covered, "partly": PARTLY, "photograph": moving_photographs}


def measure_piece(piece: Piece | None) -> tuple[float, float, float]:
    """Lip motion, share of the frames read, share that counts as covered; zeros if there is no face."""
    if piece is None:
        return 0.0, 0.0, 0.0
    stretches, count = piece.stretches, len(piece.crop)
    motion = float(np.quantile(lip_motion(cells_of(piece.crop)[1]).lips, SHARE))
    read = sum(end - start for start, end in stretches.speech)
    covered = sum(end - start for start, end, why in stretches.skipped if why == "covered")
    return motion, read / count, covered / count


def measure(clips: list[str], held_out: bool) -> dict[tuple[str, str], np.ndarray]:
    """(group, kind) -> results of `measure_piece` (clips, 3)."""
    results = defaultdict(list)
    for clip in clips:
        frames = np.concatenate([chunk for chunk, _ in read_frames(clip)])[:FRAMES]
        original = piece_of(frames)
        if original is None or len(original.crop) != len(frames):
            print(f"{clip}: left out, its face is not seen throughout")
            continue
        for group, kinds in kinds_of(held_out).items():
            for name, spoil in kinds.items():
                rng = np.random.default_rng(zlib.crc32(f"{clip} {name}".encode()))
                results[group, name].append(measure_piece(piece_of(recode(spoil(frames, original.points, rng)))))
    return {kind: np.array(values) for kind, values in results.items()}


def borders(measurements: dict[tuple[str, str], np.ndarray]) -> list[dict[str, float]]:
    """For several thresholds of the motion: shares of speaking faces lost, and of covers and photographs that pass."""
    speaking, silent = motion_of(measurements, "poor"), motion_of(measurements, "covered", "photograph")
    rows = []
    for border in np.arange(1.0, 1.81, 0.1):
        lost, passed = np.mean(speaking < border), np.mean(silent >= border)
        rows.append({"border": float(border), "lost": float(lost), "passed": float(passed)})
    return rows


def motion_of(measurements: dict[tuple[str, str], np.ndarray], *groups: str) -> np.ndarray:
    """Lip motion (N,) of all pieces of some groups."""
    return np.concatenate([values[:, 0] for (group, _), values in measurements.items() if group in groups])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    results = measure(args.clips, args.held_out)
    for (group, name), values in results.items():
        low, middle, high = np.quantile(values[:, 0], [0, 0.5, 1])
        read, covered = values[:, 1:].mean(axis=0)
        print(f"{group:>10}  {name:26} {low:5.2f} {middle:5.2f} {high:5.2f}   read {read:4.0%}  covered {covered:4.0%}")
    print(f"border of the motion (in use: {MOVING})")
    for row in borders(results):
        shares = f"speaking faces lost {row['lost']:6.1%}  covers and photographs read {row['passed']:6.1%}"
        print(f"{row['border']:5.1f}  {shares}")
    if args.json:
        kinds = {f"{group}: {name}": values.tolist() for (group, name), values in results.items()}
        write_text(args.json, json.dumps({"kinds": kinds, "borders": borders(results)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
