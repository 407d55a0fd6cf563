#!/usr/bin/env python3
"""What a script does to a voice, and where its words are placed.

    local/dub_rows.py --manifest FILE [--pull W] [--json FILE]

The shipped voice speaks each video of a list with no words ("none"), with the words that the lips are read as ("read"),
with its own script ("right") and, as a control, with the script of another clip ("other"). Prints the ASR word error
rate (pocketsphinx-grid) against the script and against what the lips say, the latter with the interval of 1,000 paired
bootstraps of the clips against "none"; how late the voice is against the recording (ms, median of |offset|); for words
that the lips say in this place, and for words that they do not: how many fit, quantiles of their mean log-probability,
and how far they are from GRID's word times (ms). Run it in the folder that the manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.alignment import offset
from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.inference.dubbing import speak_clip
from lip2speech.inference.folder import load_model
from lip2speech.inference.placing import LIPS, place_script
from lip2speech.inference.script import ScriptCue
from lip2speech.inference.scripted import ScriptText
from lip2speech.inference.text import words_of_clips
from lip2speech.models.flow_options import FlowOptions
from vsr.core.files import write_text
from vsr.core.windows import frame_edges
from vsr.data.manifest import read_manifest
from vsr.evaluation.wer import word_errors
from vsr.face.mouth_crop import crop_video
from vsr.inference.speech import Encoded, Spoken, states_of
from vsr.media.audio import fit_length, read_wave
from vsr.output.transcript import TimedWord

WAYS = ("none", "read", "right", "other")


def parts_of(reader, clip) -> list[Encoded]:
    """The windows in which the lips of a clip speak, encoded."""
    spans = [(clip.crop[a:b], frame_edges(clip.times[a:b])) for a, b in clip.speech]
    return [Encoded(clip.face, states_of(reader, Spoken(clip.face, crop, edges)), edges) for crop, edges in spans]


def words_for(way: str, loaded, mouth, clip, other) -> tuple[list[TimedWord], list]:
    """What shapes the voice, and how the words of the script were placed."""
    if way in ("right", "other"):
        script = ScriptCue(tuple((clip if way == "right" else other).text.split()))
        text = ScriptText(place_script(loaded.reader, parts_of(loaded.reader, mouth), [script]), "")
        return [word for _, word, _, _ in text.each()], list(text.placed)
    if way == "none":
        return [], []
    (said,) = words_of_clips(loaded, [clip], [mouth.crop], "read!")
    return [TimedWord(own.word, own.start, own.end, own.confidence) for own in said], []


def errors(clip, other, way: str, wave, placed, heard: str) -> dict:
    """The figures of one clip."""
    script = (other if way == "other" else clip).text.split()
    natural = fit_length(read_wave(clip.video), len(wave))
    true = [(start, end) for _, start, end in clip.words]
    return {
        "script": word_errors(" ".join(script), heard)[0], "lips": word_errors(clip.text, heard)[0],
        "offset": offset(natural, wave) / 16,
        "words": [
            {"same": own.word == said[0], "fits": own.how == LIPS, "log_prob": own.log_prob,
             "start": 1000 * (own.start - a), "end": 1000 * (own.end - b)}
            for own, said, (a, b) in zip(placed, clip.words, true, strict=False)
        ],
    }  # fmt: skip


def interval(own: np.ndarray, base: np.ndarray, words: int) -> np.ndarray:
    """95 % of the difference of two WERs in points, of clips drawn together."""
    drawn = np.random.default_rng(0).integers(0, len(own), (1000, len(own)))
    return np.quantile(100 * (own - base)[drawn].sum(1) / words, [0.025, 0.975])


def show(rows: dict[str, list[dict]], words: int) -> None:
    """The table."""
    base = np.array([own["lips"] for own in rows["none"]])
    for way, found in rows.items():
        script, lips = (np.array([own[name] for own in found]) for name in ("script", "lips"))
        low, high = interval(lips, base, words)
        late = np.median([abs(own["offset"]) for own in found])
        rates = f"{100 * script.sum() / words:6.1f} {100 * lips.sum() / words:6.1f} [{low:+.1f}, {high:+.1f}]"
        print(f"{way:6} WER script, lips [- none]: {rates}  offset {late:.0f} ms", flush=True)
        each = [word for own in found for word in own["words"]]
        for name, own in (("said", [w for w in each if w["same"]]), ("not said", [w for w in each if not w["same"]])):
            if own:
                fits = np.mean([w["fits"] for w in own])
                scores = [w["log_prob"] for w in own if w["log_prob"] is not None]
                starts, ends = (np.abs([w[side] for w in own]) for side in ("start", "end"))
                quantiles = " ".join(f"{q:.2f}" for q in np.quantile(scores, [0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98]))
                print(
                    f"       {name}: {len(own)} words, {100 * fits:.1f} % fit; log-probability {quantiles};"
                    f" |start| {np.median(starts):.0f} (mean {starts.mean():.0f}),"
                    f" |end| {np.median(ends):.0f} (mean {ends.mean():.0f}) ms"
                )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--pull", type=float, default=FlowOptions.pull)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips, loaded, scorer = read_manifest(args.manifest), load_model(), PocketSphinxGrid()
    rows: dict[str, list] = {way: [] for way in WAYS}
    print(f"{len(clips)} clips, pull {args.pull:g}")
    for number, clip in enumerate(clips):
        mouth, other = crop_video(clip.video), clips[(number + len(clips) // 2) % len(clips)]
        for way in WAYS:
            words, placed = words_for(way, loaded, mouth, clip, other)
            wave = speak_clip(loaded, mouth, options=FlowOptions(pull=args.pull), words=words).wave
            rows[way].append(errors(clip, other, way, wave, placed, scorer.transcribe(wave)))
    show(rows, sum(len(clip.text.split()) for clip in clips))
    if args.json:
        write_text(args.json, json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
