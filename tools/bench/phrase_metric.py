"""Are enrolled phrases distinguished better with a metric learned from the mouths of other speakers?

    python tools/bench/phrase_metric.py TRAIN DEV [--speaker s13] [--words 0:6] [--most 400]

Linear discriminant analysis (Fisher 1936) of the mouth points over a few frames; the classes are quarters of words said
by the speakers of the manifest TRAIN. Each direction is weighted by the square root of the ratio of its variance
between classes to that within them. With distances in that metric the trials of `tools/bench/phrases.py` are run on the
speakers of DEV, and with the original points for comparison; no reader is used. `--words`: the words of a sentence that
are used for learning; 2:6 leaves out those of the phrases. Prints rows as `tools/bench/phrases.py`.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from phrases import draw_trials, table_row

from vsr.core.clock import FPS
from vsr.data.manifest import Clip, read_manifest
from vsr.data.mouth_track import load_track
from vsr.decoding.templates import with_motion
from vsr.inference.enrolled_phrases import POINTS

AROUND, PARTS, KEPT, RIDGE = 2, 4, 16, 1e-3  # frames on each side, parts of a word, directions, ridge; chosen on s13
METRIC = "metric"


def points_of(clip, first, last):
    """Point features of the frames ``first`` to ``last`` of a clip, (T, 36)."""
    track = load_track(clip)[first:last]
    return with_motion(track.points.reshape(len(track), -1) / track.width)


def with_neighbours(points):
    """Each frame concatenated with its neighbours, (T, 36 (2 AROUND + 1))."""
    indices = np.arange(len(points))
    return np.concatenate([points[np.clip(indices + k, 0, len(points) - 1)] for k in range(-AROUND, AROUND + 1)], 1)


def frames_of(clips, words, rng):
    """(X (N, D), classes (N,)) of two random neighbouring words of each clip; points are centred over these words, as
    over a phrase."""
    features, classes, class_ids = [], [], {}
    for clip in clips:
        position = int(rng.integers(words[0], words[1] - 1))
        edges = [round(word_times[1] * FPS) for word_times in clip.words[position : position + 2]] + [
            round(clip.words[position + 1][2] * FPS)
        ]
        if edges[2] - edges[0] < PARTS:
            continue
        features.append(with_neighbours(points_of(clip, edges[0], edges[2])))
        for word, first, last in zip(clip.text.split()[position : position + 2], edges, edges[1:], strict=False):
            parts = PARTS * np.arange(last - first) // max(1, last - first)
            classes += [class_ids.setdefault((word, part), len(class_ids)) for part in parts.tolist()]
    return np.concatenate(features), np.array(classes)


def learn_metric(x, classes):
    """LDA of features (N, D) with classes -> the metric (D, KEPT)."""
    x = x - x.mean(0)
    counts = np.bincount(classes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, classes, x)
    means /= counts[:, None]
    deviations = x - means[classes]
    within, between = deviations.T @ deviations / len(x), (means * counts[:, None]).T @ means / len(x)
    within += np.eye(len(within)) * RIDGE * np.trace(within) / len(within)
    inverse = np.linalg.inv(np.linalg.cholesky(within))
    ratios, directions = np.linalg.eigh(inverse @ between @ inverse.T)
    best = np.argsort(-ratios)[:KEPT]
    return inverse.T @ directions[:, best] * np.sqrt(np.maximum(ratios[best], 0))


def training_clips(path: str, most: int) -> dict[str, list[Clip]]:
    """Speaker -> the first ``most`` clips with word times."""
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in read_manifest(path):
        if clip.words and len(by_speaker[clip.speaker]) < most:
            by_speaker[clip.speaker].append(clip)
    return by_speaker


def enrolled_phrases(clips: Sequence[Clip], metric: np.ndarray) -> dict[str, dict[str, list[dict]]]:
    """Speaker -> phrase, the first two words -> streams of its clips: points as they are, and by the metric."""
    enrolled: dict = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        points = points_of(clip, round(clip.words[0][1] * FPS), round(clip.words[1][2] * FPS))
        streams = {POINTS: points, METRIC: with_neighbours(points) @ metric}
        enrolled[clip.speaker][" ".join(clip.text.split()[:2])].append(streams)
    return enrolled


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("train", help="manifest of tracks with word times, of other speakers")
    options.add_argument("dev", help="manifest of those whose phrases are told apart")
    options.add_argument("--speaker", help="of the latter (default: each by itself)")
    options.add_argument("--words", default="0:6", help="of a sentence, that are learned from (default: all six)")
    options.add_argument("--most", type=int, default=400, help="sentences of a speaker (default: 400)")
    options.add_argument("--draws", type=int, default=16)
    return options


def main():
    args = parser().parse_args()
    known = training_clips(args.train, args.most)
    test_clips = [clip for clip in read_manifest(args.dev) if clip.words and args.speaker in (None, clip.speaker)]
    if shared := known.keys() & {clip.speaker for clip in test_clips}:
        raise SystemExit(f"{sorted(shared)[0]} is in both manifests")
    words = tuple(int(index) for index in args.words.split(":"))
    data = frames_of([clip for clips in known.values() for clip in clips], words, np.random.default_rng(0))
    metric = learn_metric(*data)
    print(f"{len(data[0])} frames of {len(known)} speakers, {len(set(data[1].tolist()))} classes")
    enrolled = enrolled_phrases(test_clips, metric)
    print("examples  streams  first  in top three  trials  equal error rate  right and accepted  wrongly accepted (%)")
    for speaker, phrases in enrolled.items():
        for count in (1, 3):
            for streams in ((POINTS,), (METRIC,), (POINTS, METRIC)):
                draws = list(draw_trials(phrases, count, args.draws, np.random.default_rng(0)))
                print(f"{speaker}, {count}: {'+'.join(streams)}: {table_row(draws, streams)}", flush=True)


if __name__ == "__main__":
    main()
