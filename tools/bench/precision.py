#!/usr/bin/env python3
"""Compare the precisions of a reader: CPU seconds of front end, encoder and search, and the numerical difference.

    tools/bench/precision.py [--model M] [--frames 250] [--rounds 3] [--tokens 42] [--threads 1] [--json FILE]

All have the same weights, read the same random video and take turns, so that other load on the machine affects all of
them; shown is the minimum of the rounds, and the ratio to float32. CPU time with one thread is the load of one core.
"off" is the largest difference of the CTC log-probabilities from float32's.
"""

import argparse
import json
import time

import torch

from vsr.core.files import write_text
from vsr.core.machine import FLOAT32, PRECISIONS
from vsr.decoding.defaults import options_for
from vsr.decoding.evidence import joining
from vsr.decoding.search import decode
from vsr.models.lengths import length_mask
from vsr.modelstore.folder import load_model

PARTS = ("front end", "encoder", "search")


@torch.inference_mode()
def seconds(loaded, video: torch.Tensor, options) -> tuple[list[float], torch.Tensor]:
    """Seconds of each part, and the CTC log-probabilities (1, T, V); video (1, T, 1, 88, 88)."""
    lengths = torch.tensor([video.shape[1]])
    mask = length_mask(lengths, video.shape[1])
    times = [time.process_time()]
    features = loaded.model.frontend(video, mask)
    times.append(time.process_time())
    states = loaded.model.encoder(features, mask)
    times.append(time.process_time())
    decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, joining(loaded, options))
    times.append(time.process_time())
    spent = [after - before for before, after in zip(times, times[1:], strict=False)]
    return spent, loaded.model.ctc_log_probs(states)


def figures_of(rounds: list[list[float]], log_probs: torch.Tensor, exact: torch.Tensor) -> dict[str, float]:
    """Least seconds of each part over the rounds, and how far log-probabilities (1, T, V) are from the exact ones."""
    least = [min(column) for column in zip(*rounds, strict=True)]
    return dict(zip(PARTS, least, strict=True)) | {"off": float((log_probs - exact).abs().max())}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="grid", help="a reader of pixels (default: grid)")
    options.add_argument("--frames", type=int, default=250)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tokens", type=int, default=42, help="steps of the search at most")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--json")
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(args.threads)
    readers = {name: load_model(args.model, precision=name) for name in PRECISIONS[1:]}
    video = torch.randn(1, args.frames, 1, 88, 88, generator=torch.Generator().manual_seed(0))
    options = options_for(readers[FLOAT32], {"max_length_ratio": (args.tokens + 0.5) / args.frames})
    spent, log_probs = {name: [] for name in readers}, {}
    for turn in range(args.rounds + 1):
        for name, loaded in readers.items():
            times, log_probs[name] = seconds(loaded, video, options)
            spent[name] += [times] if turn else []  # the first round pays for memory allocation
    figures = {name: figures_of(spent[name], log_probs[name], log_probs[FLOAT32]) for name in readers}
    print(f"{'':10}" + "".join(f"{part + ' s':>13}" for part in (*PARTS, "all")) + f"{'ratio':>8}{'off':>9}")
    for name, row in figures.items():
        total, total_of_float32 = (sum(each[part] for part in PARTS) for each in (row, figures[FLOAT32]))
        row["ratio"] = total / total_of_float32
        columns = "".join(f"{value:13.3f}" for value in (*(row[part] for part in PARTS), total))
        print(f"{name:10}{columns}{row['ratio']:8.2f}{row['off']:9.4f}")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
