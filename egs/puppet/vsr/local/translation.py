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
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from on_states import batches_of, stored
from rig import Plan, training
from rig_options import rig_parser
from taught import CachedTargets, other_clips, sound_by_id, stored_sound, upper_reader, with_sound

from vsr.data.batch import Batch
from vsr.data.manifest import read_manifest, translations_of
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.targets import Teacher
from vsr.evaluation.translation import paired_gain, score_translations
from vsr.evaluation.wer import score
from vsr.models.lipreader import further_heads_of, tokenizer_of_head
from vsr.models.mixed_streams import MixedStreams
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import load_tokenizer
from vsr.training.config import TrainConfig, load_config

AT_ONCE = 20  # clips decoded together


def shuffled(clips, seed):
    """Every clip with the texts of another one."""
    partners = other_clips(clips, seed)
    return [
        replace(clip, text=partners[clip.id].text, translations=partners[clip.id].translations, words=(), phones=())
        for clip in clips
    ]


def train(model, clips, states, teacher, sound, objective, args, report):
    """The EMA weights after ``--steps``."""
    batches = (with_sound(batch, sound) for batch in batches_of(clips, states, teacher, args.frames, args.seed))
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98, checks=3)
    for state in training(model, lambda average: objective, batches, plan):
        print(f"{state}  dev {report(state.model)}", flush=True)
    return state.model


@torch.inference_mode()
def written(model, clips, states, name, tokenizer, modality=VIDEO):
    """Clip id -> output of a head on stored states."""
    model.eval()
    outputs = {}
    for first in range(0, len(clips), AT_ONCE):
        part_states, part = states[first : first + AT_ONCE], clips[first : first + AT_ONCE]
        lengths, padded = (
            torch.tensor([len(clip_states) for clip_states in part_states]),
            pad_sequence(list(part_states), True),
        )
        has_sound = torch.full((len(part_states),), modality == SOUND)
        inputs = {VIDEO: padded} | ({SOUND: padded} if modality == SOUND else {})
        batch = Batch(inputs, lengths, {}, [clip.id for clip in part], present={VIDEO: ~has_sound, SOUND: has_sound})
        best = model.heads[name].search(model.encode_batch(batch), lengths)
        outputs |= {
            clip.id: tokenizer.decode(ranked[0].tokens) if ranked else ""
            for clip, ranked in zip(part, best, strict=True)
        }
    return outputs


def summary(clips, language, read) -> str:
    """BLEU, chrF, WER and exact sentences of a list."""
    true = translations_of(clips, language)
    exact = sum(read[key] == text for key, text in true.items())
    total = score(true, read)[0]
    bleu, chrf = score_translations(true, read), score_translations(true, read, "chrf")
    return (
        f"BLEU {bleu.value:.2f} ({bleu.low:.2f} - {bleu.high:.2f})  chrF {chrf.value:.2f}  WER {100 * total.wer:.2f} "
        f"({100 * total.wer_low:.2f} - {100 * total.wer_high:.2f})  {exact} of {len(true)} sentences right"
    )


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


def main() -> None:
    args = parser().parse_args()
    if args.compare:
        return compare(args.compare, args.test, args.head)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    run = load_config(args.config, args.set, TrainConfig)
    config = run.model_config(tokenizer.vocab_size)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    lists["train"] = lists["train"][: args.clips or None]
    states = {name: stored(loaded, clips, args.keep, args.states) for name, clips in lists.items()}
    model, name = upper_reader(loaded, config, args.keep), args.head
    head_tokenizer, objective = (
        tokenizer_of_head(config, name, tokenizer),
        objective_of(config, args.objective or run.objective),
    )
    clips, sound, sound_states = lists["train"], {}, {}
    if isinstance(model.frontend, MixedStreams):
        hearing = load_model(args.hearing)
        sound = sound_by_id(hearing, clips, args, args.others)
        if all(clip.sound for clip in lists["test"]):
            sound_states = {"sound": stored_sound(hearing, lists["test"], args.keep, args.states)}
    lips_alone = args.objective == "ctc_attention"
    teacher = CachedTargets(Teacher(tokenizer, further_heads_of(config)))
    training_clips = shuffled(clips, args.seed) if args.shuffle else clips

    def report(made) -> str:
        read = written(made, lists["dev"], states["dev"], name, head_tokenizer)
        return f"{score(translations_of(lists['dev'], name), read)[0].wer:.3f}"

    mixed_sound = {} if lips_alone else sound
    trained = train(model, training_clips, states["train"], teacher, mixed_sound, objective, args, report)
    outputs = {"lips": written(trained, lists["test"], states["test"], name, head_tokenizer)}
    if sound_states and not lips_alone:
        outputs["sound"] = written(trained, lists["test"], sound_states["sound"], name, head_tokenizer, SOUND)
    args.out.mkdir(parents=True, exist_ok=True)
    command = {key: str(value) for key, value in vars(args).items()}
    (args.out / "result.json").write_text(json.dumps({"command": command} | outputs, indent=1), encoding="utf-8")
    for modality, read in outputs.items():
        print(f"test by {modality}: {summary(lists['test'], name, read)}", flush=True)
    return None


if __name__ == "__main__":
    main()
