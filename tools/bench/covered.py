#!/usr/bin/env python3
"""Which covered mouths, photographs and poor frames are read: the figures behind the constants of `vsr/video`.

    tools/bench/covered.py CLIP... [--held-out] [--json FILE]

Each clip of a speaking face is spoilt in every known way and encoded, and the rule of `vsr/face/stretches.py` is asked
about it. --held-out takes the second half of the kinds of covers and photographs. Prints, of each kind: the
least, middle and greatest of what the lips move by (`MOVING` is the border), and the share of frames that are read, and
of those that are called covered; then, of all kinds, how many clips fall on the wrong side of the border wherever it
is laid.
"""

import argparse
import json
import zlib
from collections import defaultdict

import numpy as np
from corrupted_frames import POOR, recoded
from spoilt_covers import COVERED, COVERED_HELD_OUT, PARTLY
from spoilt_photographs import PHOTOGRAPHS, PHOTOGRAPHS_HELD_OUT, still

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
    places = [(frame, Position(0.0, index)) for index, frame in enumerate(frames)]
    (block,) = blocks(places, default_detector(), longest=None)
    return max(block.pieces, key=lambda piece: piece.weight, default=None)


def kinds_of(held_out: bool) -> dict[str, dict]:
    """Group -> name -> what it does to (frames, points, dice)."""
    covered, photographs = (COVERED_HELD_OUT, PHOTOGRAPHS_HELD_OUT) if held_out else (COVERED, PHOTOGRAPHS)
    carried = {name: lambda f, p, d, own=own: own(still(f), d) for name, own in photographs.items()}
    return {"poor": POOR, "covered": covered, "partly": PARTLY, "photograph": carried}


def measured(piece: Piece | None) -> tuple[float, float, float]:
    """What the lips move by, share of the frames read, share called covered; nothing where there is no face."""
    if piece is None:
        return 0.0, 0.0, 0.0
    found, count = piece.stretches, len(piece.crop)
    moved = float(np.quantile(lip_motion(cells_of(piece.crop)[1]).lips, SHARE))
    read, covered = sum(b - a for a, b in found.speech), sum(b - a for a, b, why in found.skipped if why == "covered")
    return moved, read / count, covered / count


def measure(clips: list[str], held_out: bool) -> dict[tuple[str, str], np.ndarray]:
    """(group, kind) -> (clips, 3) of `measured`."""
    found = defaultdict(list)
    for clip in clips:
        frames = np.concatenate([some for some, _ in read_frames(clip)])[:FRAMES]
        bare = piece_of(frames)
        if bare is None or len(bare.crop) != len(frames):
            print(f"{clip}: left out, its face is not seen throughout")
            continue
        for group, kinds in kinds_of(held_out).items():
            for name, spoil in kinds.items():
                dice = np.random.default_rng(zlib.crc32(f"{clip} {name}".encode()))
                found[group, name].append(measured(piece_of(recoded(spoil(frames, bare.points, dice)))))
    return {kind: np.array(values) for kind, values in found.items()}


def borders(found: dict[tuple[str, str], np.ndarray]) -> list[dict[str, float]]:
    """For borders of the motion: speaking faces lost, and covers and photographs that pass, as shares."""
    speaking, silent = (
        np.concatenate([values[:, 0] for (group, _), values in found.items() if group in groups])
        for groups in (("poor",), ("covered", "photograph"))
    )
    return [
        {"border": float(at), "lost": float(np.mean(speaking < at)), "passed": float(np.mean(silent >= at))}
        for at in np.arange(1.0, 1.81, 0.1)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    found = measure(args.clips, args.held_out)
    for (group, name), values in found.items():
        low, middle, high = np.quantile(values[:, 0], [0, 0.5, 1])
        read, covered = values[:, 1:].mean(axis=0)
        print(f"{group:>10}  {name:26} {low:5.2f} {middle:5.2f} {high:5.2f}   read {read:4.0%}  covered {covered:4.0%}")
    print(f"border of the motion (in use: {MOVING})")
    for row in borders(found):
        shares = f"speaking faces lost {row['lost']:6.1%}  covers and photographs read {row['passed']:6.1%}"
        print(f"{row['border']:5.1f}  {shares}")
    if args.json:
        kinds = {f"{group}: {name}": values.tolist() for (group, name), values in found.items()}
        write_text(args.json, json.dumps({"kinds": kinds, "borders": borders(found)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
