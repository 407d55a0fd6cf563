#!/usr/bin/env python3
"""Encoders of isolated words compared on one frozen front end, whose features are stored once.

    local/back_ends.py --config conf/words_td3.yaml --train data/words/train/manifest.jsonl \\
        --dev data/words/dev/manifest.jsonl --test data/words/test_s1/manifest.jsonl --out exp/td3

The manifests are those of local/cut_words.py; ``--set`` changes the configuration. Prints the encoder's parameters, the
top-1 accuracy on dev during training and on the test list at the end (once), and the milliseconds per clip of encoder
and head alone. --shuffle permutes the words among the training clips: the control. --against DIR, the --out of another
run, prints the paired difference; intervals are bootstraps over sentences. Writes OUT/scores.json, with a wrong word as
an error of its sentence (local/seeds.py compares several seeds).
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
from clip_cache import cached_array
from on_states import batch_of, batches_of, shuffled
from rig import Plan, against, training, write_scores
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


class FeatureReader(LipReader):
    """A reader whose input is stored features of the front end."""

    def encode_batch(self, batch: Batch) -> Tensor:
        """Stored features (B, T, D) -> states."""
        stored = batch.inputs["stored"]
        return self.encoder(stored, length_mask(batch.lengths, stored.shape[1]))


@torch.inference_mode()
def features(loaded: LoadedModel, clips: Sequence[Clip], folder: Path) -> list[Tensor]:
    """Front-end features of each clip, (T, D), cached in ``folder``."""
    dataset = CropDataset(clips, loaded.tokenizer, None)

    def compute(place: int) -> np.ndarray:
        video = dataset.item(place).inputs["video"][None]
        return loaded.model.frontend(video, torch.ones(video.shape[:2], dtype=torch.bool))[0].numpy()

    return [torch.from_numpy(cached_array(folder, clip, partial(compute, index))) for index, clip in enumerate(clips)]


def train(model: FeatureReader, data: tuple, dev: tuple, teacher: Teacher, config: TrainConfig, args) -> FeatureReader:
    """The EMA weights after ``--steps``, with the objective and optimiser of the configuration."""
    optim, objective = config.optim, objective_of(model.config)
    plan = Plan(args.steps, optim.lr, max(1, optim.warmup_steps), optim.ema, args.checks)
    batches = batches_of(*data, teacher, config.data.frames_per_batch, config.seed, hidden=False)
    optimiser = adamw(model, optim.lr, optim.weight_decay)
    for report in training(model, lambda average: objective, batches, plan, optimiser):
        right = sum(read(report.model, *dev, teacher).values())
        print(f"{report}  dev {right / len(dev[0]):.4f}", flush=True)
    return report.model


@torch.inference_mode()
def read(model: FeatureReader, clips: Sequence[Clip], features: Sequence[Tensor], teacher: Teacher) -> dict[str, bool]:
    """Clip id -> whether the word is right."""
    model.eval()
    is_right = {}
    for begin in range(0, len(clips), 64):
        batch_clips = list(clips[begin : begin + 64])
        batch = batch_of(batch_clips, features[begin : begin + 64], teacher)
        predicted = model.words(model.encode_batch(batch), batch.lengths).argmax(-1)
        is_right |= dict(
            zip([clip.id for clip in batch_clips], (predicted == model.words.classes(batch)).tolist(), strict=True)
        )
    return is_right


def by_sentence(right: dict[str, bool]) -> list[UtteranceScore]:
    """Scores by sentence: words of one sentence are not independent."""
    sentences = defaultdict(list)
    for clip, is_right in right.items():
        sentences[clip.rpartition("_")[0]].append(is_right)
    return [
        UtteranceScore(sentence, "", "", len(results), results.count(False), 0, 0, 0, 0)
        for sentence, results in sorted(sentences.items())
    ]


@torch.inference_mode()
def milliseconds(model: FeatureReader, seen: Sequence[Tensor]) -> float:
    """Time of encoder and head for one clip: the fastest of `ROUNDS` passes over the list."""
    rounds = []
    for _ in range(ROUNDS):
        start_time = time.perf_counter()
        for features in seen:
            mask, length = torch.ones(1, len(features), dtype=torch.bool), torch.tensor([len(features)])
            model.words(model.encoder(features[None], mask), length)
        rounds.append(time.perf_counter() - start_time)
    return min(rounds) / len(seen) * 1000


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", features="exp/features", steps=1000, checks=5, seed=0)
    options.add_argument("--config", required=True, metavar="YAML")
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    for name in ("--train", "--dev", "--test"):
        options.add_argument(name, required=True, metavar="JSONL")
    options.add_argument("--shuffle", action="store_true", help="the control: words dealt among the training clips")
    options.add_argument("--against", type=Path, metavar="DIR", help="of another run")
    options.add_argument("--out", type=Path, required=True, metavar="DIR")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    config, loaded = load_config(args.config, [*args.set, f"seed={args.seed}"]), load_model(args.model)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    folder = Path(args.features) / loaded.weights_sha256[:12]
    stored = {name: features(loaded, clips, folder) for name, clips in lists.items()}
    tokenizer = WordTokenizer(sorted({clip.text for clip in lists["train"]}))
    sizes: LipReaderConfig = config.model_config(tokenizer.vocab_size)
    model, teacher = FeatureReader(sizes), Teacher(tokenizer)
    model.frontend = torch.nn.Identity()
    print(f"{sizes.encoder}: {parameters(model.encoder):,} parameters; {len(lists['train'])} words", flush=True)
    training_clips = shuffled(lists["train"], args.seed) if args.shuffle else lists["train"]
    trained = train(model, (training_clips, stored["train"]), (lists["dev"], stored["dev"]), teacher, config, args)
    is_right = read(trained, lists["test"], stored["test"], teacher)
    scores, share = by_sentence(is_right), sum(is_right.values()) / len(is_right)
    low, high = bootstrap_interval(scores)
    duration = milliseconds(trained, stored["test"])
    print(f"test {share:.4f} ({1 - high:.4f} - {1 - low:.4f}), {len(is_right)} words, {duration:.2f} ms a clip")
    write_scores(args.out, {"words": scores})
    for line in against(args.against, args.out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
