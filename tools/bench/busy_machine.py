#!/usr/bin/env python3
"""Encoding time of a clip on an idle and on a busy machine, with OpenMP as `import vsr` sets it and with spinning.

    tools/bench/busy_machine.py [--seconds 4] [--threads 2] [--others 1] [--rounds 5] [--model MODEL] [--json FILE]

Each figure is the median over several rounds of alternating processes. "Busy" means that --others other processes each
keep a core busy.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
KINDS = {"passive (import vsr)": {}, "spinning (OpenMP's own)": {"GOMP_SPINCOUNT": "300000"}}
TURNS = 10  # encoder runs in one process


def encode(seconds: float, threads: int, model: str | None) -> float:
    """Median seconds of front end and encoder over several runs; the work of one process."""
    import vsr  # before torch, so that it can set how OpenMP waits

    loaded = vsr.load_model(model)
    import torch

    torch.set_num_threads(threads)
    frames = round(25 * seconds)
    video, lengths = torch.randn(1, frames, 1, 88, 88), torch.tensor([frames])
    with torch.inference_mode():
        return median([_clocked(loaded.model, video, lengths) for _ in range(TURNS + 2)][2:])


def _clocked(model, video, lengths) -> float:
    start = time.perf_counter()
    model.encode(video, lengths)
    return time.perf_counter() - start


def measure(setting: dict[str, str], others: int, words: list[str]) -> float:
    """Seconds of one process with these settings, beside ``others`` processes that never rest."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    env = {**inherited, **setting, "PYTHONPATH": str(ROOT)}
    busy_code = f"import os\nwhile os.getppid() == {os.getpid()}: pass"  # ends if this program is killed
    processes = [subprocess.Popen([sys.executable, "-c", busy_code]) for _ in range(others)]
    try:
        command = [sys.executable, __file__, "--one", *words]
        return float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4.0, help="of video (default: 4)")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--others", type=int, default=1, help="other processes (default: 1)")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--model")
    options.add_argument("--json", type=Path)
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    if args.one:
        print(encode(args.seconds, args.threads, args.model))
        return
    words = ["--seconds", str(args.seconds), "--threads", str(args.threads)]
    words += ["--model", args.model] if args.model else []
    spent = {name: ([], []) for name in KINDS}
    for _ in range(args.rounds):
        for name, setting in KINDS.items():
            for samples, others in zip(spent[name], (0, args.others), strict=True):
                samples.append(measure(setting, others, words))
    medians = {name: {"idle": median(idle), "busy": median(busy)} for name, (idle, busy) in spent.items()}
    print(f"{args.seconds:g} s of video, {args.threads} threads{'':18}idle      busy     ratio")
    for name, times in medians.items():
        print(f"{name:40}{times['idle']:8.3f} s{times['busy']:8.3f} s{times['busy'] / times['idle']:8.2f}")
    if args.json:
        args.json.write_text(json.dumps({**vars(args), "json": str(args.json), "found": medians}, indent=2) + "\n")


if __name__ == "__main__":
    main()
