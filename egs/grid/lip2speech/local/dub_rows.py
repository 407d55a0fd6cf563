#!/usr/bin/env python3
"""Effect of a script on a voice, and where the script's words are placed.

    local/dub_rows.py --manifest FILE [--pull W] [--places] [--json FILE]

The shipped voice speaks each clip of a list of crops without words ("none"), with the words read from the lips
("read"), with its own script ("right") and, as a control, with the script of another clip ("other"). Prints the ASR
word error rate (pocketsphinx-grid) against the script and against the words of the clip, the latter with the interval
of 1,000 paired bootstraps over clips against "none"; the delay of the voice against the recording (ms, median of
|offset|); and, for script words that the clip says in this place and for those it does not: how many fit, quantiles of
their mean log-probability, and their distance from GRID's word times (ms). --places skips the voice. Run it in the
folder that the manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.alignment import offset
from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.inference.folder import load_model
from lip2speech.inference.script import ScriptCue
from lip2speech.inference.script_alignment import LIPS, align_script
from lip2speech.inference.script_text import ScriptText
from lip2speech.inference.speakers import speaker_of
from lip2speech.inference.text import words_of_clips, words_spoken_between
from lip2speech.inference.voicing import voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.evaluation.wer import word_errors
from vsr.inference.speech import EncodedWindow, SpeechWindow, states_of
from vsr.media.audio import fit_length, read_wave

SCRIPTED, WAYS = ("right", "other"), ("none", "read", "right", "other")


def align_in_crop(reader, crop: np.ndarray, script: str):
    """Place the words of a script in a crop (T, 96, 96) that is speech throughout."""
    edges = np.arange(len(crop) + 1) / FPS
    parts = [EncodedWindow(0, states_of(reader, SpeechWindow(0, crop, edges)), edges)]
    return align_script(reader, parts, [ScriptCue(tuple(script.split()))])


def placement_errors(placed, clip) -> list[dict]:
    """`placement_error` of each word of a script."""
    return [placement_error(word, *said) for word, said in zip(placed, clip.words, strict=True)]


def placement_error(placed, word: str, start: float, end: float) -> dict:
    """Whether the clip says a word of the script in this place, whether it fits, and its error in time (ms)."""
    return {
        "same": placed.word == word, "fits": placed.how == LIPS, "log_prob": placed.log_prob,
        "start": 1000 * (placed.start - start), "end": 1000 * (placed.end - end),
    }  # fmt: skip


def figures(loaded, scorer, clip, crop, script: str, words, pull: float) -> dict:
    """Figures of the voice of one clip."""
    wave = voice_of(loaded, crop, speaker_of(loaded, None), VoicingInputs(FlowOptions(pull=pull), words))
    text = scorer.transcribe(wave)
    delay = offset(fit_length(read_wave(clip.video), len(wave)), wave) / 16
    return {"script": word_errors(script, text)[0], "lips": word_errors(clip.text, text)[0], "offset": delay}


def show_voices(rows: dict[str, list[dict]], words: int) -> None:
    """Print a line for each way of speaking."""
    base = np.array([figures["lips"] for figures in rows["none"]])
    draws = np.random.default_rng(0).integers(0, len(base), (1000, len(base)))
    for way, figures in rows.items():
        script, lips = (np.array([row[name] for row in figures]) for name in ("script", "lips"))
        low, high = np.quantile(100 * (lips - base)[draws].sum(1) / words, [0.025, 0.975])
        delay = np.median([abs(row["offset"]) for row in figures])
        rates = f"{100 * script.sum() / words:.1f} {100 * lips.sum() / words:.1f} [{low:+.1f}, {high:+.1f}]"
        print(f"{way:6} WER script, lips [- none]: {rates}; offset {delay:.0f} ms")


def show_places(way: str, each: list[dict]) -> None:
    """Print a line for words that the clip says in this place, and one for those that it does not."""
    for name, words in (("said", [w for w in each if w["same"]]), ("not said", [w for w in each if not w["same"]])):
        if not words:
            continue
        fits, scores = np.mean([w["fits"] for w in words]), [w["log_prob"] for w in words if w["log_prob"] is not None]
        starts, ends = (np.abs([w[side] for w in words]) for side in ("start", "end"))
        quantiles = " ".join(f"{q:.2f}" for q in np.quantile(scores, [0, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 1]))
        print(f"{way:6} {name}: {len(words)} words, {100 * fits:.1f} % fit; log-probability {quantiles}")
        borders = ", ".join(f"{np.median(errors):.0f} (mean {errors.mean():.0f})" for errors in (starts, ends))
        print(f"       off by (start, end): {borders} ms")


def words_said(loaded, clip, crop: np.ndarray, placed: dict) -> dict[str, list]:
    """Way of speaking -> the words that the voice says in each span: none, those read, those of each script."""
    by_way = {"none": [], "read": words_of_clips(loaded, [clip], [crop], "read!")[0]}
    for way, parts in placed.items():
        words = [word for _, word, _, _ in ScriptText(parts, "").entries()]
        by_way[way] = words_spoken_between(words, np.arange(len(crop)) / FPS)
    return by_way


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True)
    options.add_argument("--pull", type=float, default=FlowOptions.pull)
    options.add_argument("--places", action="store_true")
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips, loaded, scorer = read_manifest(args.manifest), load_model(), PocketSphinxGrid()
    places_by_way: dict[str, list] = {way: [] for way in SCRIPTED}
    voices: dict[str, list] = {way: [] for way in WAYS}
    for number, clip in enumerate(clips):
        crop, scripts = np.load(clip.crop), {"right": clip.text, "other": clips[number - len(clips) // 2].text}
        placed = {way: align_in_crop(loaded.reader, crop, scripts[way]) for way in SCRIPTED}
        for way in SCRIPTED:
            places_by_way[way] += placement_errors(placed[way], clip)
        if not args.places:
            for way, words in words_said(loaded, clip, crop, placed).items():
                script = scripts.get(way, clip.text)
                voices[way].append(figures(loaded, scorer, clip, crop, script, words, args.pull))
    show(len(clips), places_by_way, {} if args.places else voices, sum(len(clip.text.split()) for clip in clips))
    if args.json:
        write_text(args.json, json.dumps({"places": places_by_way, "voices": voices}) + "\n")


def show(count: int, places_by_way: dict[str, list], voices: dict[str, list], words: int) -> None:
    """Print all figures of ``count`` clips."""
    print(f"{count} clips")
    for way in SCRIPTED:
        show_places(way, places_by_way[way])
    if voices:
        show_voices(voices, words)


if __name__ == "__main__":
    main()
