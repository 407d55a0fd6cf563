#!/usr/bin/env python3
"""How often shots of one person get one face number, and those of two people the same: films joined of clips.

    tools/bench/same_person.py NAME=CLIP[,CLIP ...] ... [--films 12] [--people 1,2,3] [--seed 0] [--json FILE]

Each film has 12 shots of 1 to 3 s, in random order, of so many of the named people; every shot after the first of a
person is changed in a way drawn by chance: nearer, farther, darker, lighter, gray, of another hue, lit from the side,
compressed, tilted, mirrored, or not at all. It goes through shots, faces and labels as `vsr transcribe` takes it. Over
all pairs of shots of a film, with Wilson intervals of 95 %:

    joined         pairs of shots of one person with one label, by the change of the later one, too
    mixed          pairs of shots of two people with one label
    labels         labels for a person in a film, mean
    mixed_films    films in which any two people share a label
    unseen         shots without a face
"""

import argparse
import itertools
import json
import random
from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import binomtest

from vsr.core.files import write_text
from vsr.face.detector import default_detector
from vsr.face.pipeline import blocks
from vsr.face.speaker_selection import FaceSelector
from vsr.media.degradation import compressed
from vsr.media.reader import frames_from, probe
from vsr.media.resample import Position

SIZE = (640, 480)
SHOTS, SHORTEST, LONGEST = 12, 25, 75  # frames


def scale(frame: np.ndarray, factor: float) -> np.ndarray:
    """The frame so many times as large, its middle kept."""
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), 0, factor)
    return cv2.warpAffine(frame, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)


def tilt(frame: np.ndarray) -> np.ndarray:
    """By 10 degrees."""
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), 10, 1)
    return cv2.warpAffine(frame, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)


def relight(frame: np.ndarray, factor) -> np.ndarray:
    """Its brightness times a factor, or one for each column or colour."""
    return np.clip(frame * np.asarray(factor), 0, 255).astype(np.uint8)


CHANGES = {
    "none": lambda frame: frame,
    "nearer": lambda frame: scale(frame, 1.3),
    "farther": lambda frame: scale(frame, 0.5),
    "darker": lambda frame: relight(frame, 0.4),
    "lighter": lambda frame: relight(frame, 1.5),
    "gray": lambda frame: cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "hue": lambda frame: relight(frame, (1.15, 1.0, 0.75)),
    "side": lambda frame: relight(frame, np.linspace(0.5, 1.3, SIZE[0])[:, None]),
    "compressed": lambda frame: compressed(frame, 25),
    "tilted": tilt,
    "mirrored": lambda frame: np.ascontiguousarray(frame[:, ::-1]),
}


def fit_frame(frame: np.ndarray) -> np.ndarray:
    """The frame fitted into 640 x 480, black around it."""
    factor = min(SIZE[0] / frame.shape[1], SIZE[1] / frame.shape[0])
    width, height = round(frame.shape[1] * factor), round(frame.shape[0] * factor)
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    left, top = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
    sides = (top, SIZE[1] - height - top, left, SIZE[0] - width - left)
    return cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT)


@cache
def frames_in(clip: str) -> int:
    """At 25 a second."""
    return probe(clip).num_frames


def film(clips: dict[str, list[str]], people: list[str], rng: random.Random) -> tuple[list, list[tuple[str, str]]]:
    """Frames, whose first of each shot is marked, and (name, change) of each shot."""
    frames, cast = [], []
    for _ in range(SHOTS):
        name = rng.choice([own for own in people if len(people) == 1 or not cast or own != cast[-1][0]])
        change = rng.choice(list(CHANGES)) if name in dict(cast) else "none"
        clip = rng.choice(clips[name])
        length = min(rng.randint(SHORTEST, LONGEST), known := frames_in(clip))
        start = rng.randint(0, known - length)
        shot = itertools.islice(frames_from(clip), start, start + length)
        frames += [(CHANGES[change](fit_frame(frame)), place == 0) for place, (frame, _) in enumerate(shot)]
        cast.append((name, change))
    return frames, cast


def labels_of(frames: list) -> list[int | None]:
    """The label of the largest face of each shot; None where none is found. Shots are where the film was joined: how
    cuts are found is another question."""
    selector, starts = FaceSelector(None), [index for index, (_, first) in enumerate(frames) if first]
    labels: list[int | None] = []
    for start, stop in itertools.pairwise([*starts, len(frames)]):
        places = ((frames[index][0], Position(index / 25, index)) for index in range(start, stop))
        (block,) = blocks(places, default_detector(), longest=None)
        parts = selector.parts_of(block)
        labels.append(max(parts, key=lambda part: part.piece.weight).face if parts else None)
    return labels


def count(cast: list[tuple[str, str]], labels: list[int | None], counts: Counter) -> None:
    """Add the pairs of a film."""
    counts["unseen"] += labels.count(None)
    shown = [(name, change, label) for (name, change), label in zip(cast, labels, strict=True) if label is not None]
    mixed = False
    for (name, _, label), (other, change, second) in itertools.combinations(shown, 2):
        kind = "joined" if name == other else "mixed"
        for key in (kind, f"{kind} {change}"):
            counts[key] += label == second
            counts[f"pairs {key}"] += 1
        mixed |= kind == "mixed" and label == second
    counts["mixed_films"] += mixed
    counts["persons"] += len({name for name, _, _ in shown})
    counts["labels"] += len({(name, label) for name, _, label in shown})


def share_with_interval(counts: Counter, key: str) -> str:
    """Count of count, share and interval."""
    found, of = counts[key], counts[f"pairs {key}"]
    low, high = binomtest(found, of).proportion_ci(method="wilson")
    return f"{found} of {of}, {100 * found / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("people_of", nargs="+", metavar="NAME=CLIP[,CLIP ...]")
    options.add_argument("--films", type=int, default=12, help="of each number of people")
    options.add_argument("--people", default="1,2,3", help="in a film")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    args = parser().parse_args()
    clips = {name: files.split(",") for name, _, files in (own.partition("=") for own in args.people_of)}
    found = {}
    for number in map(int, args.people.split(",")):
        rng, counts = random.Random(f"{args.seed} {number}"), Counter()
        for _ in range(args.films):
            frames, cast = film(clips, rng.sample(sorted(clips), number), rng)
            count(cast, labels_of(frames), counts)
        keys = [key[6:] for key in sorted(counts) if key.startswith("pairs ")]
        found[number] = {"films": args.films, **counts}
        print(f"{number} in a film: labels {counts['labels'] / counts['persons']:.2f}, ", end="")
        print(f"mixed_films {counts['mixed_films']} of {args.films}, unseen {counts['unseen']}", flush=True)
        for key in keys:
            print(f"    {key}: {share_with_interval(counts, key)}", flush=True)
    if args.json:
        write_text(args.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
