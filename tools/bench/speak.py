#!/usr/bin/env python3
"""Seconds and real-time factor of each stage from a video file to its wave, on this machine.

    tools/bench/speak.py VIDEO [VIDEO ...] [--model DIR] [--steps 0 4 16] [--text none read] [--threads 2] [--json FILE]

The first clip is processed once beforehand, so that loading libraries is not counted. Several kinds of text take turns
clip by clip, and the last column is the time relative to the first kind.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from lip2speech.inference.folder import load_model
from lip2speech.inference.synthesis_options import NONE, READ
from lip2speech.inference.text import words_spoken_between
from lip2speech.inference.vocoding import vocode
from lip2speech.inference.voicing import voice_crop
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.decoding.defaults import options_for
from vsr.face.mouth_crop import crop_video
from vsr.inference.recognition import read_clip

STAGES = ("crop", "words", "acoustic", "vocoder")


def stages_of(loaded, path: str, options: FlowOptions, text: str) -> tuple[dict[str, float], float]:
    """Seconds of each stage for one file, and the seconds of video."""
    speaker = loaded.voice.default_speaker[None]
    marks = [time.perf_counter()]
    clip = crop_video(path)
    marks.append(time.perf_counter())
    words = words_of(loaded, clip) if text == READ else ()
    marks.append(time.perf_counter())
    speech = voice_crop(loaded, clip.crop, speaker, VoicingInputs(options, words_spoken_between(words, clip.times)))
    marks.append(time.perf_counter())
    vocode(loaded.vocoder, speech, speaker)
    marks.append(time.perf_counter())
    spent = [later - now for now, later in zip(marks[:-1], marks[1:], strict=True)]
    return dict(zip(STAGES, spent, strict=True)), len(clip.crop) / FPS


def words_of(loaded, clip) -> list:
    """The words read from the lips in a clip."""
    segments = read_clip(loaded.reader, clip, options_for(loaded.reader))
    return [word for segment in segments for word in segment.words]


def measure(loaded, videos: list[str], steps: int, texts: list[str]) -> list[dict]:
    """Real-time factors over all videos with ``steps`` of the flow, for each kind of text."""
    options = FlowOptions(steps)
    for text in texts:
        stages_of(loaded, videos[0], options, text)
    results = {text: [] for text in texts}
    for path in videos:
        for text in texts:
            results[text].append(stages_of(loaded, path, options, text))
    return [figures(steps, text, clip_results) for text, clip_results in results.items()]


def figures(steps: int, text: str, done: list[tuple[dict[str, float], float]]) -> dict:
    """Real-time factors over the results of `stages_of` for several files."""
    seconds = sum(length for _, length in done)
    rtf = {stage: sum(spent[stage] for spent, _ in done) / seconds for stage in STAGES}
    return {"steps": steps, "text": text, "seconds": seconds, "rtf": rtf, "rtf_total": sum(rtf.values())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--steps", type=int, nargs="+", default=[4])
    parser.add_argument("--text", nargs="+", default=[NONE], choices=(NONE, READ))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    loaded = load_model(args.model)
    rows = [row for steps in args.steps for row in measure(loaded, args.videos, steps, args.text)]
    for number, row in enumerate(rows):
        row["ratio"] = row["rtf_total"] / rows[number - number % len(args.text)]["rtf_total"]
        parts = "  ".join(f"{stage} {row['rtf'][stage]:.3f}" for stage in STAGES)
        prefix = f"{row['steps']:3d} steps  text {row['text']}  {row['seconds']:.1f} s of video"
        print(f"{prefix}  rtf {row['rtf_total']:.3f}  {parts}  x{row['ratio']:.2f}")
    if args.json:
        write_text(args.json, json.dumps(rows[0] | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
