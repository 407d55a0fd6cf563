#!/usr/bin/env python3
"""An attention decoder trained on stored states of an encoder, with any objective, and decoded by itself.

    local/decoders.py --train data/crops/train/manifest.jsonl --dev data/crops/dev/manifest.jsonl --out exp/ce \\
        --test data/crops/test_s1/manifest.jsonl
    local/decoders.py ... --init exp/ce --objective '{kind: mwer}' --steps 150 --lr 1e-4 --out exp/mwer \\
        --against exp/more_ce

The decoder begins by the seed, or from --init, what another run wrote. --shuffle-rewards is the control: hypotheses
are compared with the text of another clip of the batch. Writes OUT/decoder.safetensors and OUT/scores.json, the errors
of each clip; --against prints the paired difference from another run's.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import rig
from on_states import Above, batch_of, batches_of, reader_above, stored
from rig import Plan, keep_scores, training
from rig_options import rig_parser

from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.registry import split_kind
from vsr.modelstore.folder import load_model
from vsr.objectives import minimum_risk, policy_gradient
from vsr.objectives.registry import objective_of
from vsr.text.normalise import lower


def train(model: Above, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer, dev, args) -> nn.Module:
    """The averaged weights after ``--steps``; prints dev's error rates as it goes."""
    kind, settings = split_kind(yaml.safe_load(args.objective), "--objective")
    objective = objective_of(model.config, kind, settings, tokenizer)
    batches = batches_of(clips, states, Teacher(tokenizer), args.frames, args.seed)
    plan = Plan(args.steps, args.lr, warmup=20, ema=0.98, checks=args.checks)
    for report in training(model, lambda average: objective, batches, plan):
        print(f"{report}  dev {rates(read(report.model, *dev, tokenizer))}", flush=True)
    return report.model


@torch.inference_mode()
def read(model: Above, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer) -> list[UtteranceScore]:
    """What the decoder alone reads, token after token."""
    model.eval()
    teacher, found = Teacher(tokenizer), []
    for begin in range(0, len(clips), 20):
        own = list(clips[begin : begin + 20])
        batch = batch_of(own, states[begin : begin + 20], teacher)
        best = model.decoder.search(model.encode_batch(batch), batch.lengths)
        said = [lower(tokenizer.decode(ranked[0].tokens)) for ranked in best]
        found += [score_utterance(clip.id, lower(clip.text), text) for clip, text in zip(own, said, strict=True)]
    return found


def rates(each: Sequence[UtteranceScore]) -> str:
    """WER and CER."""
    words, characters = sum(own.words for own in each), sum(own.characters for own in each)
    wrong, off = sum(own.errors for own in each), sum(own.character_errors for own in each)
    return f"WER {100 * wrong / words:.2f} CER {100 * off / characters:.2f}"


def by_characters(each: Sequence[UtteranceScore]) -> list[UtteranceScore]:
    """The same with characters in place of words."""
    return [
        replace(own, words=own.characters, substitutions=own.character_errors, deletions=0, insertions=0)
        for own in each
    ]


def compare_with_other_texts() -> None:
    """Rewards by the text of the clip before in the batch; cross-entropy keeps the right one."""
    right = policy_gradient.references

    def wrong(batch):
        own = right(batch)
        return own[-1:] + own[:-1]

    policy_gradient.references = minimum_risk.references = wrong


def parser() -> argparse.ArgumentParser:
    own = rig_parser(
        __doc__,
        model="grid",
        objective="ctc_attention",
        states="exp/states",
        frames=1200,
        lr=1e-3,
        steps=600,
        checks=6,
        seed=0,
    )
    own.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    for flag in ("--dev", "--test"):
        own.add_argument(flag, required=True, metavar="JSONL")
    own.add_argument("--shuffle-rewards", action="store_true")
    own.add_argument("--init", metavar="DIR", help="what another run wrote")
    own.add_argument("--against", type=Path, metavar="DIR", help="of another run")
    own.add_argument("--out", required=True, metavar="DIR")
    return own


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded = load_model(args.model)
    keep, tokenizer = len(loaded.model.encoder.layers), loaded.tokenizer
    clips, dev, test = read_manifests(args.train), read_manifest(args.dev), read_manifest(args.test)
    states, seen, unseen = (stored(loaded, own, keep, args.states) for own in (clips, dev, test))
    model = reader_above(loaded, replace(loaded.model.config, ctc_weight=0.0, alignment_weight=0.0), keep)
    if args.init:
        model.decoder.load_state_dict(load_file(Path(args.init) / "decoder.safetensors"))
    if args.shuffle_rewards:
        compare_with_other_texts()
    made, out = train(model, clips, states, tokenizer, (dev, seen), args), Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: own.contiguous() for name, own in made.decoder.state_dict().items()}, out / "decoder.safetensors")
    each = read(made, test, unseen, tokenizer)
    lists = {"words": each, "characters": by_characters(each)}
    keep_scores(out, lists)
    for name, own in lists.items():
        print(f"test {name}: {rig.rates(own)}")
    for line in rig.against(args.against, out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
