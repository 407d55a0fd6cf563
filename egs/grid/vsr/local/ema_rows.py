#!/usr/bin/env python3
"""Clips without text next to a few with text, on stored states: pseudo-labels (USR), or clean targets first (CAV2vec).

    local/ema_rows.py --train data/crops/train/manifest.jsonl --dev data/crops/dev/manifest.jsonl \\
        --test data/crops/test_s1/manifest.jsonl --arm base --out exp/base
    local/ema_rows.py ... --arm usr --out exp/usr --against exp/base

The lower layers of the reader are frozen; the last layer and CTC are initialised from the seed and trained on
--labelled clips for --steps, in every arm the same clips in the same order; all arms but "cav2vec" then continue for as
many steps. There "usr" adds an equal number of clips without text to each batch; "cav2vec" is instead pre-trained on
those clips, without text. --control assigns pseudo-labels or clean targets to other clips. Writes OUT/scores.json.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from clip_pools import Lists, Pool, concatenated, seeded, shuffled_batches
from on_states import UpperLayers, batch_of, reader_above
from rig import Plan, against, rates, training, write_scores
from rig_options import rig_parser

from vsr.data.batch import Batch
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.lipreader import LipReaderConfig
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.clean_targets import CleanTargets
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.pseudo_labels import PseudoLabels
from vsr.text.normalise import lower


class PseudoLabelsOfOthers(PseudoLabels):
    """The control: each clip gets the pseudo-labels of the preceding one."""

    def labels(self, batch):
        labels = super().labels(batch).items()
        return {name: (of_others(tokens), of_others(confidences)) for name, (tokens, confidences) in labels}


def of_others(values: list) -> list:
    """For each clip what the preceding one has."""
    return values[-1:] + values[:-1]


class CleanTargetsOfOthers(CleanTargets):
    """The control: each clip gets the targets of the preceding one."""

    def clean(self, batch, teacher):
        return super().clean(batch, teacher).roll(1, 0)


def train(model: UpperLayers, objective_for: Callable, batches: Iterator[Batch], args, report=None) -> nn.Module:
    """The EMA weights after ``--steps``."""
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.99, checks=4)
    for state in training(model, objective_for, seeded(batches, args.seed), plan):
        print(state, f" dev {rates(report(state.model))}" if report else "", flush=True)
    return state.model


@torch.inference_mode()
def read(model: UpperLayers, pool: Pool, tokenizer) -> list[UtteranceScore]:
    """Scores of greedy CTC."""
    model.eval()
    teacher, scores = Teacher(tokenizer), []
    for clip, clip_states in zip(*pool, strict=True):
        batch = batch_of([clip], [clip_states], teacher)
        (best,) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        scores.append(score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best[0].tokens))))
    return scores


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", batch=4, lr=1e-3, steps=300, seed=0)
    options.add_argument("--arm", required=True, choices=("base", "usr", "cav2vec"))
    options.add_argument("--control", action="store_true")
    for flag in ("--train", "--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--labelled", type=int, default=40, metavar="N", help="clips with text (default: 40)")
    options.add_argument("--above", type=float, default=0.8, help="confidence of pseudo-labels (default: 0.8)")
    options.add_argument("--against", type=Path, metavar="DIR", help="of another run")
    options.add_argument("--out", type=Path, required=True, metavar="DIR")
    return options


@dataclass(frozen=True)
class Rig:
    """Trains the arms."""

    loaded: LoadedModel
    keep: int
    lists: Lists
    args: argparse.Namespace

    @property
    def config(self) -> LipReaderConfig:
        """CTC alone."""
        return replace(self.loaded.model.config, ctc_weight=1.0, decoder_layers=0, alignment_weight=0.0)

    def batches(self, pool: Pool) -> Iterator[Batch]:
        """Endless batches of a list."""
        return shuffled_batches(pool, self.args.batch, self.args.seed, Teacher(self.loaded.tokenizer))

    def pretrain(self, model: UpperLayers) -> None:
        """CAV2vec: train the encoder in place to predict clean targets, without text."""
        heads = {"clean": {"kind": "clean_prediction"}}
        predictor = reader_above(self.loaded, replace(self.config, ctc_weight=0.0, further_heads=heads), self.keep)
        predictor.encoder.load_state_dict(model.encoder.state_dict())
        kind = CleanTargetsOfOthers if self.args.control else CleanTargets
        objective = kind(share=0.4, span=8, hide=True)
        trained = train(predictor, objective.with_teacher, self.batches(self.lists.unlabelled), self.args)
        model.encoder.load_state_dict(trained.encoder.state_dict())

    def train(self, model: UpperLayers) -> nn.Module:
        """EMA weights of the arm ``--arm``."""
        if self.args.arm == "cav2vec":
            self.pretrain(model)
        batches = self.batches(self.lists.labelled)
        trained = train(model, lambda average: ctc_attention, batches, self.args, self.dev_scores)
        if self.args.arm == "cav2vec":
            return trained
        model.load_state_dict(trained.state_dict())
        return self.continued(model, batches)

    def continued(self, model: UpperLayers, batches: Iterator[Batch]) -> nn.Module:
        """As many steps again on the following batches; in "usr" with clips without text."""
        if self.args.arm != "usr":
            return train(model, lambda average: ctc_attention, batches, self.args, self.dev_scores)
        kind = PseudoLabelsOfOthers if self.args.control else PseudoLabels
        objective = kind(above=self.args.above, masked=0.2, span=8)
        pairs = zip(batches, self.batches(self.lists.unlabelled), strict=False)
        both = (concatenated(*pair) for pair in pairs)
        return train(model, objective.with_teacher, both, self.args, self.dev_scores)

    def dev_scores(self, model: nn.Module) -> list[UtteranceScore]:
        """Scores on dev."""
        return read(model, self.lists.dev, self.loaded.tokenizer)


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    loaded = load_model(args.model)
    keep = len(loaded.model.encoder.layers) - 1
    rig = Rig(loaded, keep, Lists.of(loaded, keep, args), args)
    torch.manual_seed(args.seed)
    trained = rig.train(reader_above(loaded, rig.config, keep))
    scores = read(trained, rig.lists.test, loaded.tokenizer)
    write_scores(args.out, {"test": scores})
    print(f"test {rates(scores)}")
    for line in against(args.against, args.out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
