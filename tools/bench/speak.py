#!/usr/bin/env python3
"""Seconds and real-time factor of each stage from a video file to its wave, on this machine.

    tools/bench/speak.py VIDEO [VIDEO ...] [--model DIR] [--steps 0 4 16] [--threads 2] [--json FILE]

The first clip is done once beforehand, so that loading libraries is not counted.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from lip2speech.inference.dubbing import voice_crop
from lip2speech.inference.folder import load_model
from lip2speech.inference.synthesizer import vocode
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.face.mouth_crop import crop_video

STAGES = ("crop", "acoustic", "vocoder")


def stages_of(loaded, path: str, options: FlowOptions) -> tuple[dict[str, float], float]:
    """Seconds of each stage for one file, and the seconds of video."""
    speaker = loaded.voice.default_speaker[None]
    marks = [time.perf_counter()]
    clip = crop_video(path)
    marks.append(time.perf_counter())
    speech = voice_crop(loaded, clip.crop, speaker, options)
    marks.append(time.perf_counter())
    vocode(loaded.vocoder, speech, speaker)
    marks.append(time.perf_counter())
    spent = [later - now for now, later in zip(marks[:-1], marks[1:], strict=True)]
    return dict(zip(STAGES, spent, strict=True)), len(clip.crop) / FPS


def measure(loaded, videos: list[str], steps: int) -> dict:
    """Real-time factors over all videos with ``steps`` of the flow."""
    stages_of(loaded, videos[0], FlowOptions(steps))
    done = [stages_of(loaded, path, FlowOptions(steps)) for path in videos]
    seconds = sum(length for _, length in done)
    rtf = {stage: sum(spent[stage] for spent, _ in done) / seconds for stage in STAGES}
    return {"steps": steps, "seconds": seconds, "rtf": rtf, "rtf_total": sum(rtf.values())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--steps", type=int, nargs="+", default=[4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    loaded = load_model(args.model)
    rows = [measure(loaded, args.videos, steps) for steps in args.steps]
    for row in rows:
        parts = "  ".join(f"{stage} {row['rtf'][stage]:.3f}" for stage in STAGES)
        print(f"{row['steps']:3d} steps  {row['seconds']:.1f} s of video  rtf {row['rtf_total']:.3f}  {parts}")
    if args.json:
        write_text(args.json, json.dumps(rows[0] | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
