#!/usr/bin/env python3
"""How close a voice made from a face is to that of the person seen, and how often it identifies the person.

    local/face_rows.py --model DIR --manifest FILE --train FILE --features DIR [--wrong DIR] [--json FILE]

For clips of people that the model has not seen: the cosine of its vector with the speaker vector of the same person
(all clips), with the mean voice of the training list, with a random other person of the list (chance), and between
clips of the same person (upper bound); how often the person ranks first among all people of the list (chance: 1 /
number of people); the correlation of predicted and true vectors along the first principal component of the true ones.
--wrong: a model trained on the voices of other people, as a control. 95 % intervals: 1,000 bootstraps over people.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from lip2speech.features.stored import StoredFeatures
from lip2speech.inference.face_voices import load_face_voice, vector_of_crop
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def by_person(clips, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """The vectors (n, 256) of each person."""
    vectors_of: dict[str, list] = {}
    for clip, vector in zip(clips, vectors, strict=True):
        vectors_of.setdefault(clip.speaker, []).append(vector)
    return {name: np.stack(person_vectors) for name, person_vectors in sorted(vectors_of.items())}


def interval(values) -> list[float]:
    """Mean, and 2.5 and 97.5 % quantile of 1,000 bootstraps."""
    values = np.asarray(values, float)
    draws = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    return [float(values.mean()), *map(float, np.quantile(values[draws].mean(1), [0.025, 0.975]))]


def figures(predicted: dict[str, np.ndarray], true: dict[str, np.ndarray], mean: np.ndarray) -> dict:
    """Figures of predicted and true vectors (n, 256) of each person."""
    names = list(true)
    centres = {name: unit(person_vectors.mean(0)) for name, person_vectors in true.items()}
    voices = {name: unit(person_vectors.mean(0)) for name, person_vectors in predicted.items()}
    cosines = [voices[name] @ centres[name] for name in names]
    other = [np.mean([voices[name] @ centres[candidate] for candidate in names if candidate != name]) for name in names]
    first = [
        names[int(np.argmax([voices[name] @ centres[candidate] for candidate in names]))] == name for name in names
    ]
    same_person = [
        np.mean([a @ b for i, a in enumerate(true[n]) for j, b in enumerate(true[n]) if i != j]) for n in names
    ]
    centre_matrix = np.stack([centres[name] for name in names])
    component = np.linalg.svd(centre_matrix - centre_matrix.mean(0))[2][0]
    projections = [[voices[name] @ component for name in names], [centres[name] @ component for name in names]]
    return {
        "own": interval(cosines), "mean voice": interval([mean @ centres[name] for name in names]),
        "other person": interval(other), "person again": interval(same_person),
        "better than mean": interval(np.array(cosines) - [mean @ centres[name] for name in names]),
        "first": [int(sum(first)), len(names)], "r": float(np.corrcoef(*projections)[0, 1]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR")
    parser.add_argument("--manifest", required=True, metavar="FILE")
    parser.add_argument("--train", required=True, metavar="FILE")
    parser.add_argument("--features", required=True, metavar="DIR")
    parser.add_argument("--wrong", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    clips, train = read_manifest(args.manifest), read_manifest(args.train)
    voices, training_voices = StoredFeatures(args.features, clips), StoredFeatures(args.features, train)
    true = by_person(clips, np.stack([voices.speaker(n).numpy() for n in range(len(clips))]))
    mean = unit(np.mean([training_voices.speaker(n).numpy() for n in range(len(train))], 0))
    rows = {}
    for name, folder in (("model", args.model), ("wrong voices", args.wrong)):
        if folder:
            model = load_face_voice(folder)
            predicted = np.stack([vector_of_crop(model, np.load(clip.crop)) for clip in clips])
            rows[name] = figures(by_person(clips, predicted), true, mean)
            print(name, json.dumps(rows[name], indent=1))
    if args.json:
        write_text(args.json, json.dumps({"clips": len(clips), "people": len(true), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
