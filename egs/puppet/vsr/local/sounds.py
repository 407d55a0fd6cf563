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

from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval
from vsr.models.hypotheses import beam_search, log_probs
from vsr.models.lipreader import further_heads_of
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.registry import objective_of
from vsr.objectives.rewards import edits

HEAD = "sounds"
Rows = dict[str, list[UtteranceScore]]


def train(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, args) -> nn.Module:
    """The EMA weights after ``--steps``."""
    objective = objective_of(model.config)
    batches = batches_of(clips, states, teacher, args.frames, args.seed)
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98, checks=8)
    for report in training(model, lambda average: objective, batches, plan):
        print(report, flush=True)
    return report.model


def read(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher) -> Rows:
    """Errors of each clip: by the onward stream, by both, of languages, of filled-in phonemes."""
    model.eval()
    rows: Rows = {}
    for clip, clip_states in zip(clips, states, strict=True):
        for name, (wrong, count) in errors_in(model, batch_of([clip], [clip_states], teacher).of(HEAD)).items():
            rows.setdefault(name, []).append(counted(clip.id, wrong, count))
    return rows


@torch.inference_mode()
def errors_in(model: UpperLayers, batch: Batch) -> dict[str, tuple[int, int]]:
    """Row -> (errors, count) of a batch of one clip."""
    head, states, true = model.further_heads[HEAD], model.encode_batch(batch), batch.tokens[0].tolist()
    first, by_mean = onward_readings(head, states, batch.lengths)
    ranked = head.search(states, batch.lengths)[0]
    read = {"onward": first, "onward by the mean": by_mean, "both": ranked[0].tokens if ranked else ()}
    rows = {name: (edits(tokens, true), len(true)) for name, tokens in read.items()}
    return rows | {"language": (wrong_language(head, states, batch), 1), "fill": head.measured(states, batch)}


def onward_readings(head, states: Tensor, lengths: Tensor) -> tuple[list[int], list[int]]:
    """Tokens of the likeliest hypothesis of the onward stream, and of the one with the likeliest mean token."""
    hypotheses = beam_search(head.onward, states, lengths, head.beam, lengths)
    means = log_probs(head.onward, states, lengths, hypotheses).sum(-1) / (hypotheses.lengths + 1)
    by_mean = int(means.masked_fill(~hypotheses.ended, -math.inf).argmax())
    (tokens,) = hypotheses.lists()
    return tokens[0], tokens[by_mean]


def wrong_language(head, states: Tensor, batch: Batch) -> int:
    """1 if the head takes the clip for another language."""
    scores = head.languages(states, batch.lengths)
    return 0 if scores is None else int(int(scores.argmax()) != int(batch.targets["language"][0, 0]))


def counted(clip_id: str, errors: int, count: int) -> UtteranceScore:
    """A score of anything that is counted."""
    return UtteranceScore(clip_id, "", "", count, errors, 0, 0, 0, 0)


def error_rate(each: Sequence[UtteranceScore]) -> str:
    """Error rate in %, with its interval."""
    low, high = bootstrap_interval(list(each))
    rate, count = 100 * sum(score.errors for score in each), sum(score.words for score in each)
    return f"{rate / count:.2f} ({100 * low:.2f} - {100 * high:.2f}) of {count}"


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Every clip with the phonemes and the language of another one."""
    others = [clips[int(index)] for index in np.random.default_rng(seed).permutation(len(clips))]
    return [replace(clip, phones=other.phones, text=other.text, language=other.language, words=())
            for clip, other in zip(clips, others, strict=True)]  # fmt: skip


def new_reader(loaded: LoadedModel, args: argparse.Namespace) -> UpperLayers:
    """All layers of the trained encoder, and the head with random weights in place of all others."""
    head = {"kind": "bidirectional", "languages": args.languages, "layers": args.layers, "hidden": 384}
    config = replace(
        loaded.model.config, ctc_weight=0.0, alignment_weight=0.0, decoder_layers=0, further_heads={HEAD: head}
    )
    return reader_above(loaded, config, len(loaded.model.encoder.layers))


def gain_line(path: str, after: dict[str, list[int]]) -> str:
    """The paired difference between the clips' errors in a file and ``after``."""
    before = json.loads(Path(path).read_text(encoding="utf-8"))
    shared = sorted(before.keys() & after.keys())
    scores = [[counted(clip_id, *errors[clip_id]) for clip_id in shared] for errors in (before, after)]
    mean, low, high = paired_gain(*scores)
    return f"better than {path} by {mean:.2f} points ({low:.2f} to {high:.2f}), {len(shared)} clips"


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
    model = new_reader(loaded, args)
    teacher = Teacher(loaded.tokenizer, further_heads_of(model.config))
    trained = train(model, shuffled(clips, args.seed) if args.shuffle else clips, states, teacher, args)
    totals: dict[str, list[int]] = {}
    for path, part, part_states in zip(args.test, lists, test_states, strict=True):
        rows = read(trained, part, part_states, teacher)
        print(f"{path}: " + "; ".join(f"{name} {error_rate(scores)}" for name, scores in rows.items()))
        totals |= {score.id: [score.errors, score.words] for score in rows["both"]}
    Path(args.out).write_text(json.dumps(totals), encoding="utf-8")
    if args.against:
        print(gain_line(args.against, totals))


if __name__ == "__main__":
    main()
