#!/usr/bin/env python3
"""Encoders of isolated words compared on one frozen front end, whose features are stored once.

    local/back_ends.py --config conf/words_td3.yaml --train data/words/train/manifest.jsonl \\
        --dev data/words/dev/manifest.jsonl --test data/words/test_s1/manifest.jsonl --out exp/td3

The manifests are those of local/cut_words.py, ``--set`` changes the configuration. Prints parameters of the encoder,
top-1 accuracy of dev as it is trained and of the test list at the end (once), and milliseconds a clip of encoder and
head alone. --shuffle deals the words among the training clips: the control. --against DIR, which another run wrote to
its --out, prints the paired difference; intervals are by bootstrap over the sentences. Writes OUT/scores.json, a wrong
word as an error of its sentence (local/seeds.py takes several seeds).
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from kept import made_once
from on_states import batch_of, batches_of, shuffled
from rig import Plan, against, keep_scores, training
from rig_options import rig_parser

from vsr.data.batch import Batch, CropDataset
from vsr.data.manifest import Clip, read_manifest
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import WordTokenizer
from vsr.training.config import TrainConfig, load_config
from vsr.training.dry_run import parameters
from vsr.training.optimiser import adamw

ROUNDS = 3


class OnFeatures(LipReader):
    """A reader that begins at stored features of its front end."""

    def encode_batch(self, batch: Batch) -> Tensor:
        """Stored features (B, T, D) -> states."""
        stored = batch.inputs["stored"]
        return self.encoder(stored, length_mask(batch.lengths, stored.shape[1]))


@torch.inference_mode()
def features(loaded: LoadedModel, clips: Sequence[Clip], folder: Path) -> list[Tensor]:
    """What the front end makes of each clip, (T, D); made once for each folder."""
    dataset = CropDataset(clips, loaded.tokenizer, None)

    def seen(place: int) -> np.ndarray:
        video = dataset.item(place).inputs["video"][None]
        return loaded.model.frontend(video, torch.ones(video.shape[:2], dtype=torch.bool))[0].numpy()

    return [torch.from_numpy(made_once(folder, clip, partial(seen, k))) for k, clip in enumerate(clips)]


def train(model: OnFeatures, data: tuple, dev: tuple, teacher: Teacher, config: TrainConfig, args) -> OnFeatures:
    """The averaged weights after ``--steps``, by the objective and the optimiser of the configuration."""
    optim, objective = config.optim, objective_of(model.config)
    plan = Plan(args.steps, optim.lr, max(1, optim.warmup_steps), optim.ema, args.checks)
    batches = batches_of(*data, teacher, config.data.frames_per_batch, config.seed, hidden=False)
    optimiser = adamw(model, optim.lr, optim.weight_decay)
    for report in training(model, lambda average: objective, batches, plan, optimiser):
        right = sum(read(report.model, *dev, teacher).values())
        print(f"{report}  dev {right / len(dev[0]):.4f}", flush=True)
    return report.model


@torch.inference_mode()
def read(model: OnFeatures, clips: Sequence[Clip], seen: Sequence[Tensor], teacher: Teacher) -> dict[str, bool]:
    """Whether each clip's word is right, by id."""
    model.eval()
    found = {}
    for begin in range(0, len(clips), 64):
        own = list(clips[begin : begin + 64])
        batch = batch_of(own, seen[begin : begin + 64], teacher)
        said = model.words(model.encode_batch(batch), batch.lengths).argmax(-1)
        found |= dict(zip([clip.id for clip in own], (said == model.words.classes(batch)).tolist(), strict=True))
    return found


def by_sentence(right: dict[str, bool]) -> list[UtteranceScore]:
    """Words of a sentence together, as they are not independent."""
    rows = defaultdict(list)
    for clip, own in right.items():
        rows[clip.rpartition("_")[0]].append(own)
    return [UtteranceScore(name, "", "", len(own), own.count(False), 0, 0, 0, 0) for name, own in sorted(rows.items())]


@torch.inference_mode()
def milliseconds(model: OnFeatures, seen: Sequence[Tensor]) -> float:
    """Of encoder and head for one clip alone: the fastest of some rounds over the list."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for own in seen:
            mask, length = torch.ones(1, len(own), dtype=torch.bool), torch.tensor([len(own)])
            model.words(model.encoder(own[None], mask), length)
        rounds.append(time.perf_counter() - begun)
    return min(rounds) / len(seen) * 1000


def parser() -> argparse.ArgumentParser:
    own = rig_parser(__doc__, model="grid", features="exp/features", steps=1000, checks=5, seed=0)
    own.add_argument("--config", required=True, metavar="YAML")
    own.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    for name in ("--train", "--dev", "--test"):
        own.add_argument(name, required=True, metavar="JSONL")
    own.add_argument("--shuffle", action="store_true", help="the control: words dealt among the training clips")
    own.add_argument("--against", type=Path, metavar="DIR", help="of another run")
    own.add_argument("--out", type=Path, required=True, metavar="DIR")
    return own


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    config, loaded = load_config(args.config, [*args.set, f"seed={args.seed}"]), load_model(args.model)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    folder = Path(args.features) / loaded.weights_sha256[:12]
    seen = {name: features(loaded, clips, folder) for name, clips in lists.items()}
    tokenizer = WordTokenizer(sorted({clip.text for clip in lists["train"]}))
    sizes: LipReaderConfig = config.model_config(tokenizer.vocab_size)
    model, teacher = OnFeatures(sizes), Teacher(tokenizer)
    model.frontend = torch.nn.Identity()
    print(f"{sizes.encoder}: {parameters(model.encoder):,} parameters; {len(lists['train'])} words", flush=True)
    taught = shuffled(lists["train"], args.seed) if args.shuffle else lists["train"]
    made = train(model, (taught, seen["train"]), (lists["dev"], seen["dev"]), teacher, config, args)
    right = read(made, lists["test"], seen["test"], teacher)
    own, share = by_sentence(right), sum(right.values()) / len(right)
    low, high = bootstrap_interval(own)
    timed = milliseconds(made, seen["test"])
    print(f"test {share:.4f} ({1 - high:.4f} - {1 - low:.4f}), {len(right)} words, {timed:.2f} ms a clip")
    keep_scores(args.out, {"words": own})
    for line in against(args.against, args.out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
