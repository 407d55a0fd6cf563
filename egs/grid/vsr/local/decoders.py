#!/usr/bin/env python3
"""An attention decoder trained on stored states of an encoder, with any objective, and decoded by itself.

    local/decoders.py --train data/crops/train/manifest.jsonl --dev data/crops/dev/manifest.jsonl --out exp/ce \\
        --test data/crops/test_s1/manifest.jsonl
    local/decoders.py ... --init exp/ce --objective '{kind: mwer}' --steps 150 --lr 1e-4 --out exp/mwer \\
        --against exp/more_ce

The decoder is initialised from the seed, or by --init from another run's folder. --shuffle-rewards is the control:
hypotheses are compared with the text of another clip of the batch. Writes OUT/decoder.safetensors and OUT/scores.json,
the errors of each clip; --against prints the paired difference from another run.
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
from on_states import UpperLayers, batch_of, batches_of, reader_above, stored
from rig import Plan, training, write_scores
from rig_options import rig_parser

from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.registry import split_kind
from vsr.modelstore.folder import load_model
from vsr.objectives import minimum_risk, policy_gradient
from vsr.objectives.registry import objective_of
from vsr.text.normalise import lower


def train(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer, dev, args) -> nn.Module:
    """The EMA weights after ``--steps``; prints the error rates on dev during training."""
    kind, settings = split_kind(yaml.safe_load(args.objective), "--objective")
    objective = objective_of(model.config, kind, settings, tokenizer)
    batches = batches_of(clips, states, Teacher(tokenizer), args.frames, args.seed)
    plan = Plan(args.steps, args.lr, warmup=20, ema=0.98, checks=args.checks)
    for report in training(model, lambda average: objective, batches, plan):
        print(f"{report}  dev {rates(read(report.model, *dev, tokenizer))}", flush=True)
    return report.model


@torch.inference_mode()
def read(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer) -> list[UtteranceScore]:
    """Scores of greedy decoding with the attention decoder alone."""
    model.eval()
    teacher, scores = Teacher(tokenizer), []
    for begin in range(0, len(clips), 20):
        part = list(clips[begin : begin + 20])
        batch = batch_of(part, states[begin : begin + 20], teacher)
        ranked = model.decoder.search(model.encode_batch(batch), batch.lengths)
        texts = [lower(tokenizer.decode(hypotheses[0].tokens)) for hypotheses in ranked]
        scores += [score_utterance(clip.id, lower(clip.text), text) for clip, text in zip(part, texts, strict=True)]
    return scores


def rates(each: Sequence[UtteranceScore]) -> str:
    """WER and CER."""
    words, characters = sum(score.words for score in each), sum(score.characters for score in each)
    word_errors, character_errors = sum(score.errors for score in each), sum(score.character_errors for score in each)
    return f"WER {100 * word_errors / words:.2f} CER {100 * character_errors / characters:.2f}"


def by_characters(each: Sequence[UtteranceScore]) -> list[UtteranceScore]:
    """The same scores with characters in place of words."""
    none = {"deletions": 0, "insertions": 0}
    return [replace(score, words=score.characters, substitutions=score.character_errors, **none) for score in each]


def compare_with_other_texts() -> None:
    """Rewards use the text of the preceding clip in the batch; cross-entropy keeps the right one."""
    original = policy_gradient.references

    def shifted(batch):
        references = original(batch)
        return references[-1:] + references[:-1]

    policy_gradient.references = minimum_risk.references = shifted


def parser() -> argparse.ArgumentParser:
    options = rig_parser(
        __doc__, model="grid", objective="ctc_attention", states="exp/states", frames=1200, lr=1e-3, steps=600,
        checks=6, seed=0,
    )  # fmt: skip
    options.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    for flag in ("--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--shuffle-rewards", action="store_true")
    options.add_argument("--init", metavar="DIR", help="what another run wrote")
    options.add_argument("--against", type=Path, metavar="DIR", help="of another run")
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def save_decoder(model: nn.Module, folder: Path) -> None:
    """Write the decoder alone, for --init."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model.decoder.state_dict().items()}
    save_file(weights, folder / "decoder.safetensors")


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded = load_model(args.model)
    keep, tokenizer = len(loaded.model.encoder.layers), loaded.tokenizer
    clips, dev, test = read_manifests(args.train), read_manifest(args.dev), read_manifest(args.test)
    states, dev_states, test_states = (stored(loaded, part, keep, args.states) for part in (clips, dev, test))
    model = reader_above(loaded, replace(loaded.model.config, ctc_weight=0.0, alignment_weight=0.0), keep)
    if args.init:
        model.decoder.load_state_dict(load_file(Path(args.init) / "decoder.safetensors"))
    if args.shuffle_rewards:
        compare_with_other_texts()
    trained, out = train(model, clips, states, tokenizer, (dev, dev_states), args), Path(args.out)
    save_decoder(trained, out)
    scores = read(trained, test, test_states, tokenizer)
    lists = {"words": scores, "characters": by_characters(scores)}
    write_scores(out, lists)
    for name, unit_scores in lists.items():
        print(f"test {name}: {rig.rates(unit_scores)}")
    for line in rig.against(args.against, out) if args.against else ():
        print(line)


if __name__ == "__main__":
    main()
