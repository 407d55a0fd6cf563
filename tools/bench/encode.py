#!/usr/bin/env python3
"""Compare front ends and encoders of several models: parameters and milliseconds per frame, in one run.

    tools/bench/encode.py MODEL [MODEL ...] [--frames 75] [--clips 4] [--rounds 10] [--threads 2] [--json FILE]

The models take turns, so that other load on the machine affects all of them; shown is the median of the rounds. Of a
reader of pixels and tracks, the reader of pixels is measured.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch

from vsr.core.files import write_text
from vsr.models.lengths import length_mask
from vsr.modelstore.folder import load_model, pixel_reader


def parameters(module) -> int:
    """Number of parameters."""
    return sum(weight.numel() for weight in module.parameters())


@torch.inference_mode()
def milliseconds(model, video: torch.Tensor) -> tuple[float, float]:
    """Milliseconds per frame of the front end and of the encoder; video (B, T, 1, 88, 88)."""
    frames = video.shape[0] * video.shape[1]
    mask = length_mask(torch.full((video.shape[0],), video.shape[1]), video.shape[1])
    start = time.perf_counter()
    features = model.frontend(video, mask)
    middle = time.perf_counter()
    model.encoder(features, mask)
    return 1000 * (middle - start) / frames, 1000 * (time.perf_counter() - middle) / frames


def measure(folders: list[str], clips: int, frames: int, rounds: int) -> dict[str, dict]:
    """Figures of each model."""
    models = {str(folder): pixel_reader(load_model(folder).model) for folder in folders}
    video = torch.randn(clips, frames, 1, 88, 88, generator=torch.Generator().manual_seed(0))
    spent = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            times = milliseconds(model, video)
            if turn:  # the first round pays for memory allocation
                spent[name].append(times)
    return {name: row(model, spent[name]) for name, model in models.items()}


def row(model, times: list[tuple[float, float]]) -> dict:
    """Figures of a model with the milliseconds of its front end and encoder in each round."""
    front_ends, encoders = zip(*times, strict=True)
    return {
        "frontend": model.config.frontend, "parameters": parameters(model),
        "frontend_parameters": parameters(model.frontend),
        "frontend_ms": median(front_ends), "encoder_ms": median(encoders),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures = measure(args.models, args.clips, args.frames, args.rounds)
    print(f"{'front end':20}{'parameters':>12}{'of front end':>14}{'front end ms':>14}{'encoder ms':>12}   a frame")
    for row in figures.values():
        print(
            f"{row['frontend']:20}{row['parameters']:12,}{row['frontend_parameters']:14,}"
            f"{row['frontend_ms']:14.2f}{row['encoder_ms']:12.2f}"
        )
    if args.json:
        write_text(args.json, json.dumps({"models": figures, "threads": args.threads}, indent=2) + "\n")


if __name__ == "__main__":
    main()
