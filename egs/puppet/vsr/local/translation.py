#!/usr/bin/env python3
"""Gain of sound for a translating reader, measured in minutes: upper layers and heads trained on stored states.

    local/translation.py --config conf/translate.yaml --train data/waves/en_train/manifest.jsonl \\
        --dev data/crops/en_dev/manifest.jsonl --test data/crops/en_test/manifest.jsonl --tokenizer data/tokens \\
        --out exp/mixed --objective mixspeech    # or ctc_attention: lips alone
    local/translation.py --compare exp/lips exp/mixed --test data/crops/en_test/manifest.jsonl

The front end and the first ``--keep`` layers are those of --model, and of --hearing for the sound, without gradient.
--shuffle gives every training clip the texts of another one, --others its mixed sound: the controls. Writes
result.json, with the head's output from lips, and from sound if sound was mixed; --compare prints the paired gain.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from translation_head import TranslationHead, summary

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from on_states import batches_of, stored
from rig import Plan, training
from rig_options import rig_parser
from taught import CachedTargets, other_clips, sound_by_id, stored_sound, upper_reader, with_sound

from vsr.data.manifest import Clip, read_manifest, translations_of
from vsr.data.modalities import SOUND
from vsr.data.targets import Teacher
from vsr.evaluation.translation import paired_gain
from vsr.models.lipreader import further_heads_of, tokenizer_of_head
from vsr.models.mixed_streams import MixedStreams
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import load_tokenizer
from vsr.training.config import TrainConfig, load_config


def shuffled(clips, seed):
    """Every clip with the texts of another one."""
    partners = other_clips(clips, seed)
    pairs = [(clip, partners[clip.id]) for clip in clips]
    return [replace(clip, text=o.text, translations=o.translations, words=(), phones=()) for clip, o in pairs]


@dataclass(frozen=True)
class Sound:
    """Stored states (T, D) of the sound: of training clips by id, for mixing, and of the clips of test."""

    training: dict[str, Tensor] = field(default_factory=dict)
    test: Sequence[Tensor] = ()


def sound_for(model, lists: dict[str, list[Clip]], args: argparse.Namespace) -> Sound:
    """What a model that mixes streams hears by ``--hearing``; nothing of test unless all of its clips have sound."""
    if not isinstance(model.frontend, MixedStreams):
        return Sound()
    hearing = load_model(args.hearing)  # draws random numbers: for lips alone, too, so that all arms begin alike
    training, test = sound_by_id(hearing, lists["train"], args, args.others), lists["test"]
    has_sound = all(clip.sound for clip in test)
    sound = Sound(training, stored_sound(hearing, test, args.keep, args.states) if has_sound else ())
    return Sound() if args.objective == "ctc_attention" else sound


def train(model, clips, states, teacher, sound, objective, args, report):
    """The EMA weights after ``--steps``."""
    batches = (with_sound(batch, sound) for batch in batches_of(clips, states, teacher, args.frames, args.seed))
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98, checks=3)
    for state in training(model, lambda average: objective, batches, plan):
        print(f"{state}  dev {report(state.model)}", flush=True)
    return state.model


def compare(folders, path, language) -> None:
    """The paired gain of the second run over the first."""
    first, second = (json.loads((folder / "result.json").read_text(encoding="utf-8"))["lips"] for folder in folders)
    true = translations_of(read_manifest(path), language)
    for metric in ("bleu", "chrf"):
        gain, low, high = paired_gain(true, first, second, metric)
        print(f"{metric}: better by {gain:.2f} ({low:.2f} to {high:.2f}), {len(first)} clips")


def parser() -> argparse.ArgumentParser:
    options = rig_parser(
        __doc__, model="grid", hearing="grid-av", keep=2, states="exp/states", frames=900, lr=1e-3, steps=1000, seed=0
    )
    options.add_argument("--compare", nargs=2, type=Path, metavar="DIR")
    options.add_argument("--config", metavar="YAML")
    options.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    options.add_argument("--objective", default="", help="in place of the YAML's")
    options.add_argument("--shuffle", action="store_true")
    options.add_argument("--others", action="store_true")
    options.add_argument("--head", default="es", metavar="NAME")
    options.add_argument("--train", metavar="JSONL")
    options.add_argument("--clips", type=int, default=0, metavar="N", help="the first N of them alone")
    options.add_argument("--dev", metavar="JSONL")
    options.add_argument("--test", metavar="JSONL", required=True)
    options.add_argument("--tokenizer", metavar="DIR")
    options.add_argument("--out", type=Path, metavar="DIR")
    return options


def outputs_of_test(args: argparse.Namespace) -> tuple[list[Clip], dict[str, dict[str, str]]]:
    """Train; the clips of test, and modality -> output of the head."""
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    run = load_config(args.config, args.set, TrainConfig)
    config = run.model_config(tokenizer.vocab_size)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    lists["train"] = lists["train"][: args.clips or None]
    states = {name: stored(loaded, clips, args.keep, args.states) for name, clips in lists.items()}
    model = upper_reader(loaded, config, args.keep)
    head = TranslationHead(args.head, tokenizer_of_head(config, args.head, tokenizer))
    objective = objective_of(config, args.objective or run.objective)
    sound = sound_for(model, lists, args)
    clips = shuffled(lists["train"], args.seed) if args.shuffle else lists["train"]
    teacher = CachedTargets(Teacher(tokenizer, further_heads_of(config)))
    report = partial(head.error_rate, clips=lists["dev"], states=states["dev"])
    trained = train(model, clips, states["train"], teacher, sound.training, objective, args, report)
    outputs = {"lips": head.output(trained, lists["test"], states["test"])}
    if sound.test:
        outputs["sound"] = head.output(trained, lists["test"], sound.test, SOUND)
    return lists["test"], outputs


def main() -> None:
    args = parser().parse_args()
    if args.compare:
        return compare(args.compare, args.test, args.head)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    clips, outputs = outputs_of_test(args)
    args.out.mkdir(parents=True, exist_ok=True)
    command = {key: str(value) for key, value in vars(args).items()}
    (args.out / "result.json").write_text(json.dumps({"command": command} | outputs, indent=1), encoding="utf-8")
    for modality, read in outputs.items():
        print(f"test by {modality}: {summary(clips, args.head, read)}", flush=True)
    return None


if __name__ == "__main__":
    main()
