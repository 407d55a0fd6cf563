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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from on_states import UpperLayers, batch_of, reader_above, stored
from rig import Plan, against, rates, training, write_scores
from rig_options import rig_parser

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.modelstore.folder import load_model
from vsr.objectives.clean_targets import CleanTargets
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.pseudo_labels import PseudoLabels
from vsr.text.normalise import lower

Pool = tuple[Sequence[Clip], Sequence[Tensor]]


class PseudoLabelsOfOthers(PseudoLabels):
    """The control: each clip gets the pseudo-labels of the preceding one."""

    def labels(self, batch):
        labels = super().labels(batch)
        return {
            name: (tokens[-1:] + tokens[:-1], confidences[-1:] + confidences[:-1])
            for name, (tokens, confidences) in labels.items()
        }


class CleanTargetsOfOthers(CleanTargets):
    """The control: each clip gets the targets of the preceding one."""

    def clean(self, batch, teacher):
        return super().clean(batch, teacher).roll(1, 0)


def shuffled_batches(pool: Pool, size: int, seed: int, teacher: Teacher) -> Iterator[Batch]:
    """Endless batches of clips, shuffled every epoch."""
    clips, states = pool
    for epoch in range(10**9):
        order = np.random.default_rng((seed, epoch)).permutation(len(clips)).tolist()
        for start in range(0, len(order) - size + 1, size):
            chosen, rng = order[start : start + size], np.random.default_rng((seed, epoch, start))
            yield batch_of([clips[i] for i in chosen], [states[i] for i in chosen], teacher, rng)


def concatenated(first: Batch, second: Batch) -> Batch:
    """Concatenates two batches of clips of equal length."""
    inputs = {name: torch.cat([tensor, second.inputs[name]]) for name, tensor in first.inputs.items()}
    width = max(first.tokens.shape[1], second.tokens.shape[1])
    tokens = [
        torch.nn.functional.pad(batch.tokens, (0, width - batch.tokens.shape[1]), value=IGNORE)
        for batch in (first, second)
    ]
    targets = {"tokens": torch.cat(tokens), "frame_tokens": torch.cat([first.frame_tokens, second.frame_tokens])}
    return Batch(inputs, torch.cat([first.lengths, second.lengths]), targets, first.ids + second.ids)


def train(model: UpperLayers, objective_for: Callable, batches: Iterator[Batch], args, report=None) -> nn.Module:
    """The EMA weights after ``--steps``."""
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.99, checks=4)
    for state in training(model, objective_for, seeded(batches, args.seed), plan):
        print(state, f" dev {rates(report(state.model))}" if report else "", flush=True)
    return state.model


def seeded(batches: Iterator[Batch], seed: int) -> Iterator[Batch]:
    """The same batches; random choices within a step depend only on its number, in every arm."""
    for step, batch in enumerate(batches):
        torch.manual_seed(seed * 100_000 + step)
        yield batch


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


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    loaded = load_model(args.model)
    keep, tokenizer = len(loaded.model.encoder.layers) - 1, loaded.tokenizer
    clips = [clip for clip in read_manifest(args.train) if clip.num_frames == 75 and clip.speaker == "s1"]
    clips = [clips[i] for i in np.random.default_rng(args.seed).permutation(len(clips))]
    lists = clips, read_manifest(args.dev), read_manifest(args.test)
    states, *rest = (stored(loaded, part, keep, args.states) for part in lists)
    dev, test = zip(lists[1:], rest, strict=True)
    n = args.labelled
    labelled: Pool = clips[:n], states[:n]
    unlabelled: Pool = [replace(clip, text="", words=(), phones=()) for clip in clips[n:]], states[n:]
    teacher = Teacher(tokenizer)
    config = replace(loaded.model.config, ctc_weight=1.0, decoder_layers=0, alignment_weight=0.0)
    torch.manual_seed(args.seed)
    model = reader_above(loaded, config, keep)
    if args.arm == "cav2vec":
        heads = {"clean": {"kind": "clean_prediction"}}
        other = reader_above(loaded, replace(config, ctc_weight=0.0, further_heads=heads), keep)
        other.encoder.load_state_dict(model.encoder.state_dict())
        kind = CleanTargetsOfOthers if args.control else CleanTargets
        objective = kind(share=0.4, span=8, hide=True)
        trained = train(
            other, objective.with_teacher, shuffled_batches(unlabelled, args.batch, args.seed, teacher), args
        )
        model.encoder.load_state_dict(trained.encoder.state_dict())

    def supervised(average):
        return ctc_attention

    def report(average):
        return read(average, dev, tokenizer)

    batches = shuffled_batches(labelled, args.batch, args.seed, teacher)
    trained = train(model, supervised, batches, args, report)
    if args.arm != "cav2vec":
        model.load_state_dict(trained.state_dict())
        kind = PseudoLabelsOfOthers if args.control else PseudoLabels
        usr = kind(above=args.above, masked=0.2, span=8)
        if args.arm == "usr":
            unlabelled_batches = shuffled_batches(unlabelled, args.batch, args.seed, teacher)
            batches = (concatenated(*pair) for pair in zip(batches, unlabelled_batches, strict=False))
        trained = train(model, usr.with_teacher if args.arm == "usr" else supervised, batches, args, report)
    scores = read(trained, test, tokenizer)
    write_scores(args.out, {"test": scores})
    print(f"test {rates(scores)}")
    for line in against(args.against, args.out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
