"""Whether own phrases are told apart better by a metric that was learned on the mouths of others.

    python tools/bench/phrase_metric.py TRAIN DEV [--speaker s13] [--words 0:6] [--most 400]

Linear discriminant analysis (Fisher 1936) of the mouth's points over a few frames, whose classes are quarters of words
that speakers of the manifest TRAIN say: each direction counts as the square root of the ratio of its variance between
classes to that within them. By the distances of that metric the trials of `tools/bench/phrases.py` are made on the
speakers of DEV, beside the points as they are; no reader is asked. `--words`: which words of a sentence are learned
from; 2:6 leaves out those that the phrases are made of. Prints rows as `tools/bench/phrases.py`.
"""

import argparse
from collections import defaultdict

import numpy as np
from phrases import drawn, measured

from vsr.core.clock import FPS
from vsr.data.manifest import read_manifest
from vsr.data.mouth_track import load_track
from vsr.decoding.templates import with_motion
from vsr.inference.enrolled import POINTS

AROUND, PARTS, KEPT, RIDGE = 2, 4, 16, 1e-3  # frames on each side, parts of a word, directions; chosen on s13
METRIC = "metric"


def points_of(clip, first, last):
    """The stream of points of some frames of a clip, (T, 36)."""
    track = load_track(clip)[first:last]
    return with_motion(track.points.reshape(len(track), -1) / track.width)


def around(points):
    """Each frame with its neighbours, (T, 36 (2 AROUND + 1))."""
    places = np.arange(len(points))
    return np.concatenate([points[np.clip(places + k, 0, len(points) - 1)] for k in range(-AROUND, AROUND + 1)], 1)


def frames_of(clips, words, rng):
    """(X (N, D), classes (N,)) of two neighbouring words, drawn by chance, of each clip; points lose their mean there,
    as those of a phrase do."""
    found, classes, known = [], [], {}
    for clip in clips:
        place = int(rng.integers(words[0], words[1] - 1))
        edges = [round(own[1] * FPS) for own in clip.words[place : place + 2]] + [round(clip.words[place + 1][2] * FPS)]
        if edges[2] - edges[0] < PARTS:
            continue
        found.append(around(points_of(clip, edges[0], edges[2])))
        for word, first, last in zip(clip.text.split()[place : place + 2], edges, edges[1:], strict=False):
            parts = PARTS * np.arange(last - first) // max(1, last - first)
            classes += [known.setdefault((word, part), len(known)) for part in parts.tolist()]
    return np.concatenate(found), np.array(classes)


def learned(x, classes):
    """(N, D) and classes -> the metric (D, KEPT)."""
    x = x - x.mean(0)
    counts = np.bincount(classes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, classes, x)
    means /= counts[:, None]
    apart = x - means[classes]
    within, between = apart.T @ apart / len(x), (means * counts[:, None]).T @ means / len(x)
    within += np.eye(len(within)) * RIDGE * np.trace(within) / len(within)
    inverse = np.linalg.inv(np.linalg.cholesky(within))
    ratios, directions = np.linalg.eigh(inverse @ between @ inverse.T)
    best = np.argsort(-ratios)[:KEPT]
    return inverse.T @ directions[:, best] * np.sqrt(np.maximum(ratios[best], 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="manifest of tracks with word times, of other speakers")
    parser.add_argument("dev", help="manifest of those whose phrases are told apart")
    parser.add_argument("--speaker", help="of the latter (default: each by itself)")
    parser.add_argument("--words", default="0:6", help="of a sentence, that are learned from (default: all six)")
    parser.add_argument("--most", type=int, default=400, help="sentences of a speaker (default: 400)")
    parser.add_argument("--draws", type=int, default=16)
    args = parser.parse_args()
    others, own = defaultdict(list), defaultdict(lambda: defaultdict(list))
    for clip in read_manifest(args.train):
        if clip.words and len(others[clip.speaker]) < args.most:
            others[clip.speaker].append(clip)
    tested = [clip for clip in read_manifest(args.dev) if clip.words and args.speaker in (None, clip.speaker)]
    if shared := others.keys() & {clip.speaker for clip in tested}:
        raise SystemExit(f"{sorted(shared)[0]} is in both manifests")
    words = tuple(int(place) for place in args.words.split(":"))
    learnt = frames_of([clip for each in others.values() for clip in each], words, np.random.default_rng(0))
    metric = learned(*learnt)
    print(f"{len(learnt[0])} frames of {len(others)} speakers, {len(set(learnt[1].tolist()))} classes")
    for clip in tested:
        first, last = round(clip.words[0][1] * FPS), round(clip.words[1][2] * FPS)
        points = points_of(clip, first, last)
        seen = {POINTS: points, METRIC: around(points) @ metric}
        own[clip.speaker][" ".join(clip.text.split()[:2])].append(seen)
    print("examples  streams  first  in top three  trials  equal error rate  right and accepted  wrongly accepted (%)")
    for speaker, phrases in own.items():
        for count in (1, 3):
            for streams in ((POINTS,), (METRIC,), (POINTS, METRIC)):
                pairs = list(drawn(phrases, count, args.draws, np.random.default_rng(0)))
                print(f"{speaker}, {count}: {'+'.join(streams)}: {measured(pairs, streams)}", flush=True)


if __name__ == "__main__":
    main()
