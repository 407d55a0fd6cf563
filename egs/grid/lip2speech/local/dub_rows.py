#!/usr/bin/env python3
"""How a script changes a voice, and where its words are placed.

    local/dub_rows.py --manifest FILE [--pull W] [--places] [--json FILE]

The shipped voice speaks each clip of a list of crops with no words ("none"), with the words that the lips are read as
("read"), with its own script ("right") and, as a control, with the script of another clip ("other"). Prints the ASR
word error rate (pocketsphinx-grid) against the script and against what the lips say, the latter with the interval of
1,000 paired bootstraps of the clips against "none"; how late the voice is against the recording (ms, median of
|offset|); for words that the lips say in this place, and for words that they do not: how many fit, quantiles of their
mean log-probability, and how far they are from GRID's word times (ms). --places leaves out the voice. Run it in the
folder that the manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.alignment import offset
from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.inference.directions import Directions
from lip2speech.inference.folder import load_model
from lip2speech.inference.placing import LIPS, place_script
from lip2speech.inference.script import ScriptCue
from lip2speech.inference.scripted import ScriptText
from lip2speech.inference.speakers import speaker_of
from lip2speech.inference.text import said_between, words_of_clips
from lip2speech.inference.voicing import voice_of
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.evaluation.wer import word_errors
from vsr.inference.speech import Encoded, Spoken, states_of
from vsr.media.audio import fit_length, read_wave

SCRIPTED, WAYS = ("right", "other"), ("none", "read", "right", "other")


def placed_in(reader, crop: np.ndarray, script: str):
    """The words of a script in a crop (T, 96, 96), all frames of which speak."""
    edges = np.arange(len(crop) + 1) / FPS
    parts = [Encoded(0, states_of(reader, Spoken(0, crop, edges)), edges)]
    return place_script(reader, parts, [ScriptCue(tuple(script.split()))])


def places(placed, clip) -> list[dict]:
    """Of each word of a script: whether the lips say it in this place, whether it fits, and how far off it is."""
    return [
        {
            "same": own.word == word, "fits": own.how == LIPS, "log_prob": own.log_prob,
            "start": 1000 * (own.start - start), "end": 1000 * (own.end - end),
        }
        for own, (word, start, end) in zip(placed, clip.words, strict=True)
    ]  # fmt: skip


def figures(loaded, scorer, clip, crop, script: str, said, pull: float) -> dict:
    """Of the voice of one clip."""
    wave = voice_of(loaded, crop, speaker_of(loaded, None), Directions(FlowOptions(pull=pull), said))
    heard = scorer.transcribe(wave)
    late = offset(fit_length(read_wave(clip.video), len(wave)), wave) / 16
    return {"script": word_errors(script, heard)[0], "lips": word_errors(clip.text, heard)[0], "offset": late}


def show_voices(rows: dict[str, list[dict]], words: int) -> None:
    """A line for each way of speaking."""
    base = np.array([own["lips"] for own in rows["none"]])
    drawn = np.random.default_rng(0).integers(0, len(base), (1000, len(base)))
    for way, found in rows.items():
        script, lips = (np.array([own[name] for own in found]) for name in ("script", "lips"))
        low, high = np.quantile(100 * (lips - base)[drawn].sum(1) / words, [0.025, 0.975])
        late = np.median([abs(own["offset"]) for own in found])
        rates = f"{100 * script.sum() / words:.1f} {100 * lips.sum() / words:.1f} [{low:+.1f}, {high:+.1f}]"
        print(f"{way:6} WER script, lips [- none]: {rates}; offset {late:.0f} ms")


def show_places(way: str, each: list[dict]) -> None:
    """A line for words that the lips say in this place, and one for those that they do not."""
    for name, own in (("said", [w for w in each if w["same"]]), ("not said", [w for w in each if not w["same"]])):
        if not own:
            continue
        fits, scores = np.mean([w["fits"] for w in own]), [w["log_prob"] for w in own if w["log_prob"] is not None]
        starts, ends = (np.abs([w[side] for w in own]) for side in ("start", "end"))
        quantiles = " ".join(f"{q:.2f}" for q in np.quantile(scores, [0, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 1]))
        print(f"{way:6} {name}: {len(own)} words, {100 * fits:.1f} % fit; log-probability {quantiles}")
        borders = ", ".join(f"{np.median(of):.0f} (mean {of.mean():.0f})" for of in (starts, ends))
        print(f"       off by (start, end): {borders} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--pull", type=float, default=FlowOptions.pull)
    parser.add_argument("--places", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips, loaded, scorer = read_manifest(args.manifest), load_model(), PocketSphinxGrid()
    where: dict[str, list] = {way: [] for way in SCRIPTED}
    voices: dict[str, list] = {way: [] for way in WAYS}
    for number, clip in enumerate(clips):
        crop, scripts = np.load(clip.crop), {"right": clip.text, "other": clips[number - len(clips) // 2].text}
        placed = {way: placed_in(loaded.reader, crop, script) for way, script in scripts.items()}
        for way in SCRIPTED:
            where[way] += places(placed[way], clip)
        if args.places:
            continue
        said = {"none": [], "read": words_of_clips(loaded, [clip], [crop], "read!")[0]}
        for way in SCRIPTED:
            words = [word for _, word, _, _ in ScriptText(placed[way], "").each()]
            said[way] = said_between(words, np.arange(len(crop)) / FPS)
        for way in WAYS:
            script = scripts.get(way, clip.text)
            voices[way].append(figures(loaded, scorer, clip, crop, script, said[way], args.pull))
    print(f"{len(clips)} clips")
    for way in SCRIPTED:
        show_places(way, where[way])
    if not args.places:
        show_voices(voices, sum(len(clip.text.split()) for clip in clips))
    if args.json:
        write_text(args.json, json.dumps({"places": where, "voices": voices}) + "\n")


if __name__ == "__main__":
    main()
