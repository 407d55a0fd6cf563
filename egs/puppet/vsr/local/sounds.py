#!/usr/bin/env python3
"""SBL's head on stored states of a trained encoder: sounds of several languages by one model, or of one language.

    local/sounds.py --train data/es/crops/train/manifest.jsonl data/fr/crops/train/manifest.jsonl \\
        --test data/es/crops/test/manifest.jsonl data/fr/crops/test/manifest.jsonl --languages es fr --out exp/joint

Of each test list: error rate of sounds by the forward stream alone (the likeliest hypothesis, and the likeliest by the
mean over its tokens), by both directions, of languages, and of sounds that are filled in between the true others.
--shuffle gives every training clip the sounds of another: the control. --against, what another run wrote to --out,
prints the paired difference by both directions.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from on_states import Above, batch_of, batches_of, reader_above, stored
from rig import Plan, training
from rig_options import rig_parser

from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval
from vsr.models.hypotheses import log_probs, searched
from vsr.models.lipreader import further_heads_of
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.objectives.rewards import edits

HEAD = "sounds"
Rows = dict[str, list[UtteranceScore]]


def train(model: Above, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, args) -> nn.Module:
    """The averaged weights after ``--steps``."""
    objective, batches = objective_of(model.config), batches_of(clips, states, teacher, args.frames, args.seed)
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98, checks=8)
    for report in training(model, lambda average: objective, batches, plan):
        print(report, flush=True)
    return report.model


@torch.inference_mode()
def read(model: Above, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher) -> Rows:
    """What is wrong of each clip: by the onward stream, by both, of languages, of filled-in sounds."""
    model.eval()
    head, found = (
        model.further_heads[HEAD],
        {"onward": [], "onward by the mean": [], "both": [], "language": [], "fill": []},
    )
    for clip, own in zip(clips, states, strict=True):
        batch = batch_of([clip], [own], teacher).of(HEAD)
        seen, known = model.encode_batch(batch), batch.tokens[0].tolist()
        several = searched(head.onward, seen, batch.lengths, head.beam, batch.lengths)
        scores = log_probs(head.onward, seen, batch.lengths, several).sum(-1) / (several.lengths + 1)
        first, even = (
            several.lists()[0][0],
            several.lists()[0][int(scores.masked_fill(~several.ended, -math.inf).argmax())],
        )
        best = head.search(seen, batch.lengths)[0]
        wrong, count = head.measured(seen, batch)
        guess = head.languages(seen, batch.lengths)
        missed = 0 if guess is None else int(int(guess.argmax()) != int(batch.targets["language"][0, 0]))
        rows = {
            "onward": (edits(first, known), len(known)), "onward by the mean": (edits(even, known), len(known)),
            "language": (missed, 1), "fill": (wrong, count),
            "both": (edits(best[0].tokens if best else (), known), len(known)),
        }  # fmt: skip
        for name, (off, total) in rows.items():
            found[name].append(UtteranceScore(clip.id, "", "", total, off, 0, 0, 0, 0))
    return found


def shown(each: Sequence[UtteranceScore]) -> str:
    """Share that is wrong, with its interval."""
    low, high = bootstrap_interval(list(each))
    rate, count = 100 * sum(own.errors for own in each), sum(own.words for own in each)
    return f"{rate / count:.2f} ({100 * low:.2f} - {100 * high:.2f}) of {count}"


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Every clip with the sounds and the language of another one."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return [
        replace(clip, phones=clips[int(i)].phones, text=clips[int(i)].text, language=clips[int(i)].language, words=())
        for clip, i in zip(clips, order, strict=True)
    ]


def parser() -> argparse.ArgumentParser:
    own = rig_parser(__doc__, model="grid", states="exp/states", frames=1200, lr=2e-3, steps=300, seed=0)
    own.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    own.add_argument("--test", nargs="+", required=True, metavar="JSONL")
    own.add_argument("--languages", nargs="*", default=[], metavar="NAME", help="that it tells apart")
    own.add_argument("--layers", type=int, default=1, metavar="N", help="of each stream (default: 1)")
    own.add_argument("--shuffle", action="store_true")
    own.add_argument("--against", metavar="FILE")
    own.add_argument("--out", required=True, metavar="FILE")
    return own


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded = load_model(args.model)
    keep = len(loaded.model.encoder.layers)
    clips, lists = read_manifests(args.train), [read_manifest(own) for own in args.test]
    states, *unseen = (stored(loaded, own, keep, args.states) for own in (clips, *lists))
    kind = {"kind": "bidirectional", "languages": args.languages, "layers": args.layers, "hidden": 384}
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0, "further_heads": {HEAD: kind}}
    model = reader_above(loaded, replace(loaded.model.config, **alone), keep)
    teacher = Teacher(loaded.tokenizer, further_heads_of(model.config))
    taught = shuffled(clips, args.seed) if args.shuffle else clips
    made, told = train(model, taught, states, teacher, args), {}
    for path, own, seen in zip(args.test, lists, unseen, strict=True):
        found = read(made, own, seen, teacher)
        print(f"{path}: " + "; ".join(f"{name} {shown(each)}" for name, each in found.items()))
        told |= {one.id: [one.errors, one.words] for one in found["both"]}
    Path(args.out).write_text(json.dumps(told), encoding="utf-8")
    if args.against:
        other = json.loads(Path(args.against).read_text(encoding="utf-8"))
        rows = [
            [
                UtteranceScore(name, "", "", own[name][1], own[name][0], 0, 0, 0, 0)
                for name in sorted(other.keys() & told.keys())
            ]
            for own in (other, told)
        ]
        mean, low, high = paired_gain(*rows)
        print(f"better than {args.against} by {mean:.2f} points ({low:.2f} to {high:.2f}), {len(rows[0])} clips")


if __name__ == "__main__":
    main()
