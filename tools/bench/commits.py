#!/usr/bin/env python3
"""Compare a training step, the encoder and the search of this commit with those of another one, in one run.

    git worktree add ../before 0810747
    tools/bench/commits.py --before ../before --model ../before/vsr/weights CROP.npy...

--model is a model folder that both commits can read; its weights decode the mouth crops with beam 10. A training step
uses the model of --config in this commit, with 680 frames of random video. Each commit has its own process, which uses
its own tools/bench/decode.py and train_step.py; they take turns. Seconds are CPU time of one core.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[2]
KINDS = ("step", "encoder", "search")
WORKER = """
import sys, time
from pathlib import Path
sys.path[:0] = [".", "tools/bench"]
import decode, numpy, torch, train_step
config, model, *crops = sys.argv[1:]
torch.set_num_threads(1)
torch.manual_seed(0)
loaded, device = decode.load_model(model), torch.device("cpu")
side, batch = train_step.Ours(Path(config), device), train_step.make_batch(9, 79, device)
videos = [decode.to_network_input(numpy.load(path))[None] for path in crops]
options, found = decode.DecodeOptions(beam=10), []
def encoder():
    with torch.inference_mode():
        return [loaded.model.encode(video, torch.tensor([video.shape[1]])) for video in videos]
states = encoder()
def search():
    with torch.inference_mode():
        for own in states:
            best = decode.decode(loaded.model, own, torch.tensor([own.shape[1]]), options, loaded.tokenizer.eos_id)
            found.append(loaded.tokenizer.decode(best[0][0].tokens))
work = {"step": lambda: train_step.step(side, batch), "encoder": encoder, "search": search}
for name in sys.stdin:
    begun = time.process_time()
    work[name.strip()]()
    print("TOOK", time.process_time() - begun, "|".join(found[-len(crops):]), flush=True)
"""


class Side:
    """The worker process of one commit."""

    def __init__(self, tree: Path, settings: list[str]):
        words = [sys.executable, "-c", WORKER, *settings]
        environment = dict(os.environ, PYTHONPATH=str(tree))
        self.process = subprocess.Popen(
            words, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        self.texts = ""

    def seconds(self, kind: str) -> float:
        """Seconds of one piece of work."""
        print(kind, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("TOOK "):
                _, duration, *texts = line.rstrip("\n").split(" ", 2)
                self.texts = texts[0] if texts else ""
                return float(duration)
        sys.exit("a commit's worker has ended: its message is above")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("crops", nargs="+", metavar="CROP", help="mouth crops (.npy) that are decoded")
    options.add_argument("--before", type=Path, required=True, metavar="DIR", help="a checkout of the other commit")
    options.add_argument("--model", type=Path, required=True, metavar="DIR", help="a folder that both commits read")
    options.add_argument("--config", type=Path, default=HERE / "egs/grid/vsr/conf/video_transformer.yaml")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--json", type=Path, metavar="FILE")
    return options


def main() -> None:
    """Measure in turns, print and write."""
    args = parser().parse_args()
    worker_arguments = [str(Path(path).resolve()) for path in (args.config, args.model, *args.crops)]
    sides = {name: Side(tree.resolve(), worker_arguments) for name, tree in (("before", args.before), ("now", HERE))}
    seconds: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in sides} for kind in KINDS}
    for number in range(args.rounds + 1):
        for kind in KINDS:
            for name, side in sides.items():
                duration = side.seconds(kind)
                if number:  # the first is warm-up
                    seconds[kind][name].append(duration)
    same = sides["before"].texts == sides["now"].texts
    print(f"{len(args.crops)} clips read the same: {same}")
    for kind, by_side in seconds.items():
        medians = {name: statistics.median(values) for name, values in by_side.items()}
        ratios = [now / before for before, now in zip(by_side["before"], by_side["now"], strict=True)]
        print(f"{kind}: before {medians['before']:.3f} s, now {medians['now']:.3f} s; "
              f"now / before {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps({"same": same, "seconds": seconds}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
