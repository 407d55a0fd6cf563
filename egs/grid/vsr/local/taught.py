#!/usr/bin/env python3
"""Gain of a teacher, mixed streams or a memory, measured in minutes: upper layers trained from scratch on stored
states.

    local/taught.py --config conf/libs.yaml --train s1_100.jsonl --dev dev.jsonl --tests test_s1.jsonl --out exp/libs
    local/taught.py ... --without sequence context frame --out exp/base   # the baseline: the same steps without them
    local/taught.py ... --control --out exp/control                       # the teacher of other clips
    local/taught.py ... --objective ctc_attention   # mixspeech.yaml: lips alone
    local/taught.py --compare exp/base exp/libs

Heads, encoder and objective are those of the YAML; the front end and the first ``--keep`` layers of the encoder are
those of ``--model``, without gradient, and their states are stored once. --init continues from an earlier run of this
program; heads with other names are not loaded. Writes the weights, and scores.json: the scores of each head on the
tests, decoded greedily (local/seeds.py compares several seeds).
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clip_cache import cached_array
from on_states import batches_of, stored
from rig import Plan, against, rates, training, write_scores
from rig_options import rig_parser
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave
from vsr.data.targets import Teacher
from vsr.decoding.encoding import encode, sound_of
from vsr.evaluation.comparison_rows import wer
from vsr.evaluation.wer import UtteranceScore, score
from vsr.models.layers import record_layers
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, further_heads_of
from vsr.models.memory import fill_memories
from vsr.models.mixed_streams import MixedStreams
from vsr.models.streams import streams_of_batch
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import load_tokenizer
from vsr.training.config import TrainConfig, load_config

AT_ONCE = 20  # clips decoded together


class UpperLayersOfStreams(LipReader):
    """A reader whose input is stored states of its lower layers."""

    keep = 0

    def encode_batch(self, batch: Batch) -> Tensor:
        """Stored states (B, T, D) of the lips, and perhaps the sound, -> states."""
        x, inner = batch.inputs[VIDEO], getattr(self.encoder, "inner", self.encoder)
        mask = length_mask(batch.lengths, x.shape[1])
        if isinstance(self.frontend, MixedStreams):
            x = self.frontend(streams_of_batch(batch, (VIDEO, SOUND)), mask)
        for layer in inner.layers[self.keep :]:
            x = layer(x, mask)
        x = zero_padding(inner.norm(x), mask)
        return x if inner is self.encoder else self.encoder.joined(x, mask)


class PassThrough(nn.Module):
    """Stands in for a front end whose features are stored."""

    def forward(self, given: Tensor, mask: Tensor) -> Tensor:
        return given


@torch.inference_mode()
def stored_sound(loaded, clips, keep: int, root: str | Path) -> list[Tensor]:
    """States (T, D) of the sound of each clip after the ``keep`` lower layers, cached under ``root``."""
    folder = Path(root) / f"{loaded.weights_sha256[:12]}_{keep}_sound"

    def states(clip: Clip) -> np.ndarray:
        with record_layers(loaded.model.encoder, [keep]) as lower:
            encode(loaded, {SOUND: sound_of(loaded, [clip_wave(clip)])}, torch.tensor([clip.num_frames]))
        return lower[keep][0].numpy()

    return [torch.from_numpy(cached_array(folder, clip, partial(states, clip))) for clip in clips]


def sound_by_id(hearing, clips, args, shuffled: bool) -> dict[str, Tensor]:
    """`stored_sound` by clip id; ``shuffled``: each clip gets the sound of another one, the control."""
    sources = [other_clips(clips, args.seed)[clip.id] if shuffled else clip for clip in clips]
    states = stored_sound(hearing, sources, args.keep, args.states)
    return {clip.id: clip_states for clip, clip_states in zip(clips, states, strict=True)}


def with_sound(batch: Batch, sound) -> Batch:
    """A batch of stored lip states, with the sound states of its clips (id -> (T, D)) if there are any."""
    inputs, present = {VIDEO: batch.inputs["stored"]}, {}
    if sound:
        inputs[SOUND] = pad_sequence([sound[clip_id] for clip_id in batch.ids], True)
        present = {name: torch.ones(len(batch.ids), dtype=torch.bool) for name in (VIDEO, SOUND)}
    return replace(batch, inputs=inputs, present=present)


def other_clips(clips, seed):
    """Clip id -> another clip."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return {clips[i].id: clips[j] for i, j in zip(order, np.roll(order, 1), strict=True)}


class TargetsOfOthers:
    """The control: each clip's own text, but the targets of further heads from another clip."""

    def __init__(self, teacher, clips, seed):
        self.teacher, self.other = teacher, other_clips(clips, seed)

    def __call__(self, clip, frames, rng=None):
        another = self.other[clip.id]
        targets, other_targets = self.teacher(clip, frames, rng), self.teacher(another, another.num_frames, rng)
        return {
            name: fitted(other_targets[name], len(value.values)) if "." in name else value
            for name, value in targets.items()
        }


def fitted(target, length):
    """A target cut or padded with IGNORE to ``length`` steps."""
    values = target.values[:length]
    widths = [(0, length - len(values))] + [(0, 0)] * (values.ndim - 1)
    return replace(target, values=np.pad(values, widths, constant_values=IGNORE))


class CachedTargets:
    """Caches the targets of clips, which have no randomness here."""

    def __init__(self, teacher):
        self.teacher, self.made = teacher, {}

    def __call__(self, clip, frames, rng=None):
        if clip.id not in self.made:
            self.made[clip.id] = self.teacher(clip, frames, None)
        return self.made[clip.id]


def upper_reader(loaded, config, keep) -> UpperLayersOfStreams:
    """A reader with the model's front end and lower layers, which have no gradient."""
    model = UpperLayersOfStreams(config)
    model.keep = keep
    if filled := fill_memories(model):
        print(filled, flush=True)
    if isinstance(model.frontend, MixedStreams):
        model.frontend = MixedStreams(config.dim, {VIDEO: PassThrough(), SOUND: PassThrough()}, model.frontend.mix)
    else:
        model.frontend.load_state_dict(loaded.model.frontend.state_dict())
    lower = [model.frontend, *model.encoder.layers[:keep]]
    for layer, trained_layer in zip(model.encoder.layers[:keep], loaded.model.encoder.layers, strict=False):
        layer.load_state_dict(trained_layer.state_dict())
    for part in lower:
        part.requires_grad_(False)
    return model


def train(model, clips, states, teacher, dev, args, objective, sound) -> nn.Module:
    """The EMA weights after ``--steps``; prints the error rate on dev at each report."""
    batches = (with_sound(batch, sound) for batch in batches_of(clips, states, teacher, args.frames, args.seed))
    for report in training(model, lambda average: objective, batches, Plan(args.steps, args.lr)):
        figures = "  ".join(
            f"{name} {wer(scored(dev[0], hypotheses)):.2f}" for name, hypotheses in texts(report.model, *dev).items()
        )
        print(f"{report}  dev {figures}", flush=True)
    return report.model


@torch.inference_mode()
def texts(model, clips, states, tokenizer) -> dict[str, dict[str, str]]:
    """Head -> clip id -> greedily decoded text."""
    model.eval()
    by_head = {name: {} for name in ("ctc", "attention") if name in model.heads}
    for first in range(0, len(clips), AT_ONCE):
        part = clips[first : first + AT_ONCE]
        part_states = states[first : first + AT_ONCE]
        lengths = torch.tensor([len(clip_states) for clip_states in part_states])
        batch = Batch({"stored": pad_sequence(list(part_states), True)}, lengths, {}, [clip.id for clip in part])
        encoded = model.encode_batch(with_sound(batch, {}))
        for name in by_head:
            best = model.heads[name].search(encoded, lengths)
            by_head[name] |= {
                clip.id: tokenizer.decode(ranked[0].tokens) if ranked else ""
                for clip, ranked in zip(part, best, strict=True)
            }
    return by_head


def scored(clips, read) -> list[UtteranceScore]:
    """Errors of each clip."""
    return score({clip.id: clip.text for clip in clips}, read)[1]


def parser() -> argparse.ArgumentParser:
    options = rig_parser(
        __doc__, model="grid", hearing="grid-av", keep=2, states="exp/states", frames=600, lr=1e-3, steps=1000, seed=0
    )
    options.add_argument("--compare", nargs=2, type=Path, metavar="DIR", help="two results of this program")
    options.add_argument("--config", metavar="YAML")
    options.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    options.add_argument("--without", nargs="+", default=[], metavar="HEAD", help="further heads that are left out")
    options.add_argument("--objective", default="", help="in place of the YAML's")
    options.add_argument(
        "--control", action="store_true", help="further heads, and the mixed sound, are of other clips"
    )
    options.add_argument("--init", metavar="DIR", help="an earlier run, whose weights this one begins with")
    options.add_argument("--train", nargs="+", metavar="JSONL")
    options.add_argument("--dev", metavar="JSONL")
    options.add_argument("--tests", nargs="*", default=[], metavar="JSONL")
    options.add_argument("--tokenizer", metavar="DIR", help="default: that of --model")
    options.add_argument("--out", metavar="DIR")
    return options


def main() -> None:
    args = parser().parse_args()
    if args.compare:
        return print("\n".join(against(*args.compare)))
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded = load_model(args.model)
    tokenizer = load_tokenizer(args.tokenizer) if args.tokenizer else loaded.tokenizer
    run = load_config(args.config, args.set, TrainConfig)
    config = run.model_config(tokenizer.vocab_size)
    config = replace(
        config, further_heads={name: head for name, head in config.further_heads.items() if name not in args.without}
    )
    clips = read_manifests(args.train)
    dev, lists = read_manifest(args.dev), {path: read_manifest(path) for path in args.tests}
    states, dev_states = (stored(loaded, part, args.keep, args.states) for part in (clips, dev))
    print(f"{len(clips)} clips stored", flush=True)
    model, out = upper_reader(loaded, config, args.keep), Path(args.out)
    if args.init:
        model.load_state_dict(torch.load(Path(args.init) / "weights.pt", weights_only=True), strict=False)
    teacher = Teacher(tokenizer, further_heads_of(config))
    teacher = CachedTargets(TargetsOfOthers(teacher, clips, args.seed) if args.control else teacher)
    mixed = isinstance(model.frontend, MixedStreams)
    sound = sound_by_id(load_model(args.hearing), clips, args, args.control) if mixed else {}
    objective = objective_of(config, args.objective or run.objective)
    model = train(model, clips, states, teacher, (dev, dev_states, tokenizer), args, objective, sound)
    test_states = {path: stored(loaded, part, args.keep, args.states) for path, part in lists.items()}
    hypotheses = {path: texts(model, part, test_states[path], tokenizer) for path, part in lists.items()}
    scores = {f"{Path(path).parent.name} {name}": scored(lists[path], read)
              for path, heads in hypotheses.items() for name, read in heads.items()}  # fmt: skip
    write_scores(out, scores)
    torch.save(model.state_dict(), out / "weights.pt")
    for name, head_scores in scores.items():
        print(f"{name}: {rates(head_scores)}")
    return None


if __name__ == "__main__":
    main()
