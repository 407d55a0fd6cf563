#!/usr/bin/env python3
"""Compare settings of the flow on a list of clips: STOI, STOI with each clip's offset removed, ESTOI, PESQ and
real-time factor of the acoustic model.

    tools/bench/flow.py --manifest FILE --features DIR [--acoustic DIR ...] [--vocoder DIR] [--steps 0 1 2 4 8 16 32]
        [--guidance 1 1.5 2] [--rounds 0] [--temperature 0.05] [--clips 40] [--threads 1] [--json FILE]

Every acoustic model is run with every number of steps at guidance 1, and with every guidance at 4 steps. Run it in
the folder that the manifest's paths are relative to.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.alignment import offset
from lip2speech.evaluation.intelligibility import stoi, stoi_aligned
from lip2speech.evaluation.metrics import pesq
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.inference.folder import load_model
from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.data.sound import natural_wave

TOGETHER = 10  # clips in a batch


def figures(natural: np.ndarray, voice: np.ndarray) -> tuple[float, ...]:
    """STOI, aligned STOI, ESTOI, PESQ nb, PESQ wb."""
    aligned = stoi_aligned(natural, voice, offset(natural, voice))
    intelligible = stoi(natural, voice), aligned, stoi(natural, voice, extended=True)
    return (*intelligible, pesq(natural, voice, "nb"), pesq(natural, voice, "wb"))


@torch.inference_mode()
def measure(loaded, dataset: SpeechDataset, naturals: list[np.ndarray], options: FlowOptions) -> dict[str, float]:
    """Means over the clips, and the acoustic model's seconds per second of video."""
    rows, spent, seconds = [], 0.0, 0.0
    for first in range(0, len(dataset), TOGETHER):
        batch = dataset.batch(range(first, min(first + TOGETHER, len(dataset))))
        lengths = batch.lips.lengths
        start = time.perf_counter()
        speech = loaded.voice.speak(batch.lips.video, lengths, batch.speaker, options)
        spent += time.perf_counter() - start
        seconds += float(lengths.sum()) / FPS
        waves = vocode(loaded.vocoder, speech, batch.speaker, lengths)
        for k, wave in enumerate(waves.numpy()):
            rows.append(figures(naturals[first + k], wave[: int(lengths[k]) * SAMPLES_PER_FRAME]))
    names = ("stoi", "stoi_aligned", "estoi", "pesq_nb", "pesq_wb")
    return dict(zip(names, np.nanmean(rows, 0).tolist(), strict=True)) | {"rtf": spent / seconds}


def settings(args: argparse.Namespace) -> list[tuple[int, float]]:
    """(steps, guidance) pairs to measure."""
    return [(steps, 1.0) for steps in args.steps] + [(4, guidance) for guidance in args.guidance if guidance != 1]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--acoustic", nargs="+", default=[None])
    options.add_argument("--vocoder")
    options.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2, 4, 8, 16, 32])
    options.add_argument("--guidance", type=float, nargs="+", default=[1.0, 1.5, 2.0])
    options.add_argument("--rounds", type=int, default=0)
    options.add_argument("--temperature", type=float, default=FlowOptions.temperature)
    options.add_argument("--clips", type=int, default=40)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(args.threads)
    clips = read_manifest(args.manifest)[: args.clips]
    dataset, naturals = SpeechDataset(clips, args.features, NoText(), None), [natural_wave(clip) for clip in clips]
    rows = []
    columns = ("STOI", "aligned", "ESTOI", "PESQ nb", "PESQ wb", "rtf")
    print(f"{'model':12}{'steps':>6}{'guidance':>9}" + "".join(f"{column:>8}" for column in columns))
    for folder in args.acoustic:
        loaded = load_model(acoustic=folder, vocoder=args.vocoder)
        loaded.vocoder.rounds = args.rounds
        for steps, guidance in settings(args):
            means = measure(loaded, dataset, naturals, FlowOptions(steps, guidance, temperature=args.temperature))
            rows.append({"model": folder or "shipped", "steps": steps, "guidance": guidance} | means)
            name = Path(rows[-1]["model"]).parent.name[:11] or "shipped"
            values = "".join(f"{means[key]:8.3f}" for key in means)
            print(f"{name:12}{steps:6}{guidance:9.1f}{values}", flush=True)
    if args.json:
        write_text(args.json, json.dumps({"rows": rows, "clips": len(clips)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
