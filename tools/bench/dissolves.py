#!/usr/bin/env python3
"""How often people keep apart where one dissolves into another in the same position.

    tools/bench/dissolves.py NAME=CLIP NAME=CLIP ... [--seconds 0.4,1]

The first clip of each named person dissolves into that of each other one, at 640 x 480, and goes through shots, faces
and labels as `vsr transcribe` takes it. Prints for each duration, with Wilson intervals of 95 %:

    apart     dissolves before and after which no label is the same
    across    dissolves over which one piece goes on
"""

import argparse
import itertools

import numpy as np
from same_person import fit_frame
from scipy.stats import binomtest

from vsr.core.clock import FPS
from vsr.face.detector import default_detector
from vsr.face.pipeline import blocks
from vsr.face.speaker_selection import FaceSelector
from vsr.media.reader import frames_from
from vsr.media.resample import Position

MARGIN = 12  # frames by which a face is before or after the dissolve


def dissolve(before: list[np.ndarray], after: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Frames of two clips, of which ``count`` are blended."""
    shares = (np.arange(count) + 1) / (count + 1)
    blended = zip(shares, before[len(before) - count :], after, strict=False)
    mixed = [np.round((1 - share) * old + share * new).astype(np.uint8) for share, old, new in blended]
    return before[: len(before) - count] + mixed + after[count:]


def outcome(before: list[np.ndarray], after: list[np.ndarray], count: int) -> tuple[bool, bool]:
    """Whether the people are apart, and whether a piece goes on across the dissolve."""
    frames, start = dissolve(before, after, count), len(before) - count
    places = ((frame, Position(index / FPS, index)) for index, frame in enumerate(frames))
    (block,) = blocks(places, default_detector(), longest=None)
    faces: tuple[set[int], set[int]] = (set(), set())
    across = False
    for part in FaceSelector(None).parts_of(block):
        early = part.piece.start < start - MARGIN
        late = part.piece.start + len(part.piece.crop) > start + count + MARGIN
        faces[0].update([part.face] * early)
        faces[1].update([part.face] * late)
        across |= early and late
    return not faces[0] & faces[1], across


def share_with_interval(found: list[bool]) -> str:
    """Count of count, and interval."""
    low, high = binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    return f"{sum(found)} of {len(found)} ({100 * low:.1f} to {100 * high:.1f} %)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", nargs="+", metavar="NAME=CLIP")
    parser.add_argument("--seconds", default="0.4,1")
    args = parser.parse_args()
    clips = [person.partition("=")[2].split(",")[0] for person in args.people]
    frames = [[fit_frame(frame) for frame, _ in frames_from(clip)] for clip in clips]
    for seconds in map(float, args.seconds.split(",")):
        found = [outcome(*pair, round(seconds * FPS)) for pair in itertools.permutations(frames, 2)]
        apart, across = zip(*found, strict=True)
        print(
            f"{seconds:g} s: apart {share_with_interval(list(apart))}, across {share_with_interval(list(across))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
