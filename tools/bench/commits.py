#!/usr/bin/env python3
"""A training step, the encoder and the search of this commit against those of another one, in one run.

    git worktree add ../before 0810747
    tools/bench/commits.py --before ../before --model ../before/vsr/weights CROP.npy...

--model is a model folder that both commits read; its weights decode the mouth crops, beam 10. A training step is of
the model of --config in this commit, with 680 frames of random video. Each commit works in a process of its own, by
the parts of its own tools/bench/decode.py and train_step.py; they take turns. Seconds are of one CPU core at work.
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
    """A commit at work."""

    def __init__(self, tree: Path, given: list[str]):
        words = [sys.executable, "-c", WORKER, *given]
        around = dict(os.environ, PYTHONPATH=str(tree))
        self.process = subprocess.Popen(
            words, cwd=tree, env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        self.texts = ""

    def seconds(self, kind: str) -> float:
        """Of one piece of work."""
        print(kind, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("TOOK "):
                _, took, *texts = line.rstrip("\n").split(" ", 2)
                self.texts = texts[0] if texts else ""
                return float(took)
        sys.exit("a commit's worker has ended: its message is above")


def main() -> None:
    """Measure in turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops", nargs="+", metavar="CROP", help="mouth crops (.npy) that are decoded")
    parser.add_argument("--before", type=Path, required=True, metavar="DIR", help="a checkout of the other commit")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="a folder that both commits read")
    parser.add_argument("--config", type=Path, default=HERE / "egs/grid/vsr/conf/video_transformer.yaml")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    given = [str(Path(own).resolve()) for own in (args.config, args.model, *args.crops)]
    sides = {name: Side(tree.resolve(), given) for name, tree in (("before", args.before), ("now", HERE))}
    found: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in sides} for kind in KINDS}
    for number in range(args.rounds + 1):
        for kind in KINDS:
            for name, side in sides.items():
                took = side.seconds(kind)
                if number:  # the first is warm-up
                    found[kind][name].append(took)
    same = sides["before"].texts == sides["now"].texts
    print(f"{len(args.crops)} clips read the same: {same}")
    for kind, own in found.items():
        middle = {name: statistics.median(each) for name, each in own.items()}
        ratios = [now / before for before, now in zip(own["before"], own["now"], strict=True)]
        print(f"{kind}: before {middle['before']:.3f} s, now {middle['now']:.3f} s; "
              f"now / before {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps({"same": same, "seconds": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
