#!/usr/bin/env python3
"""SBL's head on stored states of a trained encoder: phonemes of several languages by one model, or of one language.

    local/sounds.py --train data/es/crops/train/manifest.jsonl data/fr/crops/train/manifest.jsonl \\
        --test data/es/crops/test/manifest.jsonl data/fr/crops/test/manifest.jsonl --languages es fr --out exp/joint

For each test list: error rate of phonemes by the forward stream alone (the most likely hypothesis, and the most likely
by the mean over its tokens), by both directions, of languages, and of phonemes filled in between the true others.
--shuffle gives every training clip the phonemes of another: the control. --against, the --out of another run, prints
the paired difference by both directions.
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
from on_states import UpperLayers, batch_of, batches_of, reader_above, stored
from rig import Plan, training
from rig_options import rig_parser

from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval
from vsr.models.hypotheses import beam_search, log_probs
from vsr.models.lipreader import further_heads_of
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.objectives.rewards import edits

HEAD = "sounds"
Rows = dict[str, list[UtteranceScore]]


def train(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, args) -> nn.Module:
    """The EMA weights after ``--steps``."""
    objective, batches = objective_of(model.config), batches_of(clips, states, teacher, args.frames, args.seed)
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98, checks=8)
    for report in training(model, lambda average: objective, batches, plan):
        print(report, flush=True)
    return report.model


@torch.inference_mode()
def read(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher) -> Rows:
    """Errors of each clip: by the onward stream, by both, of languages, of filled-in phonemes."""
    model.eval()
    head, errors = (
        model.further_heads[HEAD],
        {"onward": [], "onward by the mean": [], "both": [], "language": [], "fill": []},
    )
    for clip, clip_states in zip(clips, states, strict=True):
        batch = batch_of([clip], [clip_states], teacher).of(HEAD)
        encoded, tokens = model.encode_batch(batch), batch.tokens[0].tolist()
        hypotheses = beam_search(head.onward, encoded, batch.lengths, head.beam, batch.lengths)
        scores = log_probs(head.onward, encoded, batch.lengths, hypotheses).sum(-1) / (hypotheses.lengths + 1)
        first, by_mean = (
            hypotheses.lists()[0][0],
            hypotheses.lists()[0][int(scores.masked_fill(~hypotheses.ended, -math.inf).argmax())],
        )
        best = head.search(encoded, batch.lengths)[0]
        wrong, count = head.measured(encoded, batch)
        language_scores = head.languages(encoded, batch.lengths)
        language_error = (
            0 if language_scores is None else int(int(language_scores.argmax()) != int(batch.targets["language"][0, 0]))
        )
        rows = {
            "onward": (edits(first, tokens), len(tokens)), "onward by the mean": (edits(by_mean, tokens), len(tokens)),
            "language": (language_error, 1), "fill": (wrong, count),
            "both": (edits(best[0].tokens if best else (), tokens), len(tokens)),
        }  # fmt: skip
        for name, (error_count, total) in rows.items():
            errors[name].append(UtteranceScore(clip.id, "", "", total, error_count, 0, 0, 0, 0))
    return errors


def error_rate(each: Sequence[UtteranceScore]) -> str:
    """Error rate in %, with its interval."""
    low, high = bootstrap_interval(list(each))
    rate, count = 100 * sum(score.errors for score in each), sum(score.words for score in each)
    return f"{rate / count:.2f} ({100 * low:.2f} - {100 * high:.2f}) of {count}"


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Every clip with the phonemes and the language of another one."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return [
        replace(
            clip,
            phones=clips[int(index)].phones,
            text=clips[int(index)].text,
            language=clips[int(index)].language,
            words=(),
        )
        for clip, index in zip(clips, order, strict=True)
    ]


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", frames=1200, lr=2e-3, steps=300, seed=0)
    options.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    options.add_argument("--test", nargs="+", required=True, metavar="JSONL")
    options.add_argument("--languages", nargs="*", default=[], metavar="NAME", help="that it tells apart")
    options.add_argument("--layers", type=int, default=1, metavar="N", help="of each stream (default: 1)")
    options.add_argument("--shuffle", action="store_true")
    options.add_argument("--against", metavar="FILE")
    options.add_argument("--out", required=True, metavar="FILE")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded = load_model(args.model)
    keep = len(loaded.model.encoder.layers)
    clips, lists = read_manifests(args.train), [read_manifest(path) for path in args.test]
    states, *test_states = (stored(loaded, part, keep, args.states) for part in (clips, *lists))
    head_settings = {"kind": "bidirectional", "languages": args.languages, "layers": args.layers, "hidden": 384}
    overrides = {
        "ctc_weight": 0.0,
        "alignment_weight": 0.0,
        "decoder_layers": 0,
        "further_heads": {HEAD: head_settings},
    }
    model = reader_above(loaded, replace(loaded.model.config, **overrides), keep)
    teacher = Teacher(loaded.tokenizer, further_heads_of(model.config))
    training_clips = shuffled(clips, args.seed) if args.shuffle else clips
    trained, totals = train(model, training_clips, states, teacher, args), {}
    for path, part, part_states in zip(args.test, lists, test_states, strict=True):
        errors = read(trained, part, part_states, teacher)
        print(f"{path}: " + "; ".join(f"{name} {error_rate(scores)}" for name, scores in errors.items()))
        totals |= {score.id: [score.errors, score.words] for score in errors["both"]}
    Path(args.out).write_text(json.dumps(totals), encoding="utf-8")
    if args.against:
        other = json.loads(Path(args.against).read_text(encoding="utf-8"))
        rows = [
            [
                UtteranceScore(name, "", "", counts[name][1], counts[name][0], 0, 0, 0, 0)
                for name in sorted(other.keys() & totals.keys())
            ]
            for counts in (other, totals)
        ]
        mean, low, high = paired_gain(*rows)
        print(f"better than {args.against} by {mean:.2f} points ({low:.2f} to {high:.2f}), {len(rows[0])} clips")


if __name__ == "__main__":
    main()
