#!/usr/bin/env python3
"""Train a new reader on top of a trained one in minutes: the lower layers are frozen and their states stored once.

    local/on_states.py --model grid --train data/crops/train/manifest.jsonl --dev data/crops/dev/manifest.jsonl \\
        --tokenizer data/phones --out exp/phones

The front end and the first ``--keep`` layers of the encoder are those of the model, without gradient; the layers above
and the heads (CTC, and frame alignment with ``--alignment``) are initialised from the seed. By default all layers are
kept and only the heads are trained. --shuffle gives every clip the words of another one: a control that separates what
is read from what is grammar. --units adds the prediction of speech units (SyncVSR); --until stops where the error rate
on dev falls below it, and prints the step. Writes a model folder for vsr decode.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from clip_cache import cached_array
from rig import Plan, training
from rig_options import rig_parser

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch, CropDataset
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.targets import Teacher
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig, further_heads_of
from vsr.modelstore.folder import LoadedModel, load_model, save_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import load_tokenizer
from vsr.training.lipreader import errors_of

MASKED = 8  # longest masked span, frames; two spans in each clip


class UpperLayers(LipReader):
    """A reader whose input is stored states of its own lower layers."""

    keep = 0

    def encode_batch(self, batch: Batch) -> Tensor:
        """Stored states (B, T, D) -> states."""
        x, mask = batch.inputs["stored"], length_mask(batch.lengths, batch.inputs["stored"].shape[1])
        for layer in self.encoder.layers[self.keep :]:
            x = layer(x, mask)
        return zero_padding(self.encoder.norm(x), mask)


@torch.inference_mode()
def stored(loaded: LoadedModel, clips: Sequence[Clip], keep: int, root: str | Path) -> list[Tensor]:
    """States (T, D) of each clip after the ``keep`` lower layers, cached under ``root``."""
    folder = Path(root) / f"{loaded.weights_sha256[:12]}_{keep}"
    dataset, model = CropDataset(clips, loaded.tokenizer, None), loaded.model

    def states(place: int) -> np.ndarray:
        batch = dataset.batch([place])
        mask = length_mask(batch.lengths, batch.video.shape[1])
        x = model.encoder.dropout(model.frontend(zero_padding(batch.video, mask), mask) * model.encoder.scale)
        for layer in model.encoder.layers[:keep]:
            x = layer(x, mask)
        return x[0].numpy()

    return [torch.from_numpy(cached_array(folder, clip, partial(states, index))) for index, clip in enumerate(clips)]


def batch_of(clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, rng=None) -> Batch:
    """A batch of stored states with targets; ``rng`` (a numpy generator) masks frames of the states."""
    inputs = [clip_states if rng is None else masked(clip_states, rng) for clip_states in states]
    targets_of_clips = [teacher(clip, len(clip_states), rng) for clip, clip_states in zip(clips, states, strict=True)]
    targets = {
        name: pad_sequence(
            [torch.from_numpy(clip_targets[name].values) for clip_targets in targets_of_clips], True, IGNORE
        )
        for name in targets_of_clips[0]
    }
    lengths = torch.tensor([len(clip_states) for clip_states in states])
    return Batch({"stored": pad_sequence(inputs, True)}, lengths, targets, [clip.id for clip in clips])


def masked(states: Tensor, rng: np.random.Generator) -> Tensor:
    """States (T, D) with two spans replaced by their mean."""
    masked_states = states.clone()
    for _ in range(2):
        first = int(rng.integers(0, len(states)))
        masked_states[first : first + int(rng.integers(0, MASKED + 1))] = states.mean(0)
    return masked_states


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Every clip with the text of another one, without word times."""
    order = np.random.default_rng(seed).permutation(len(clips))
    return [replace(clip, text=clips[int(k)].text, words=(), phones=()) for clip, k in zip(clips, order, strict=True)]


def reader_above(loaded: LoadedModel, config: LipReaderConfig, keep: int) -> UpperLayers:
    """A reader with the model's front end and lower layers, which have no gradient."""
    model = UpperLayers(config)
    model.keep = keep
    norm = ["encoder.norm."] if keep == len(model.encoder.layers) else []
    lower = ("frontend.", *(f"encoder.layers.{i}." for i in range(keep)), *norm)
    weights = {name: value for name, value in loaded.model.state_dict().items() if name.startswith(lower)}
    model.load_state_dict(weights, strict=False)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(lower))
    return model


def batches_of(
    clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, frames: int, seed: int, hidden: bool = True
) -> Iterator[Batch]:
    """Endless batches of ``frames`` frames, epoch after epoch; ``hidden``: with masked states."""
    sampler = FrameBudgetSampler([len(clip_states) for clip_states in states], frames, seed)
    for epoch in itertools.count():
        for indices in sampler.batches(epoch):
            rng = np.random.default_rng((seed, epoch, indices[0])) if hidden else None
            yield batch_of([clips[i] for i in indices], [states[i] for i in indices], teacher, rng)


def train(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer, dev, args) -> nn.Module:
    """The EMA weights after ``--steps``; prints the error rate on dev ``--checks`` times."""
    teacher, objective = Teacher(tokenizer, further_heads_of(model.config)), objective_of(model.config, "")
    batches = batches_of(clips, states, teacher, args.frames, args.seed)
    for report in training(model, lambda average: objective, batches, Plan(args.steps, args.lr, checks=args.checks)):
        error_rate = rate(report.model, *dev, tokenizer)
        print(f"{report}  dev {error_rate:.4f}", flush=True)
        if error_rate < args.until:
            break
    return report.model


@torch.inference_mode()
def rate(model: UpperLayers, clips: Sequence[Clip], states: Sequence[Tensor], tokenizer) -> float:
    """Error rate of greedy CTC: of words, or of the tokenizer's units."""
    model.eval()
    wrong, count, teacher = 0, 0, Teacher(tokenizer)
    for clip, clip_states in zip(clips, states, strict=True):
        batch = batch_of([clip], [clip_states], teacher, None)
        (best,) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        errors = errors_of(tokenizer, clip.text, best[0].tokens)
        wrong, count = wrong + errors[0], count + errors[1]
    return wrong / max(1, count)


def main() -> None:
    parser = rig_parser(__doc__, model="grid", states="exp/states", frames=2400, lr=3e-3, steps=1500, checks=10, seed=0)
    parser.add_argument("--keep", type=int, metavar="N", help="of its layers (default: all)")
    parser.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    parser.add_argument("--dev", required=True, metavar="JSONL")
    parser.add_argument("--tokenizer", required=True, metavar="DIR")
    parser.add_argument("--alignment", type=float, default=0.5, metavar="W", help="of the frames' tokens (0.5)")
    parser.add_argument("--shuffle", action="store_true", help="the control: every clip has another one's text")
    parser.add_argument("--units", metavar="DIR", help="units of the sound, 2 a frame (lip2speech features)")
    parser.add_argument("--units-weight", type=float, default=10.0)
    parser.add_argument("--ctc-weight", type=float, default=1.0)
    parser.add_argument("--until", type=float, default=0.0, metavar="X", help="stop below this error rate of dev")
    parser.add_argument("--out", required=True, metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    args.keep = len(loaded.model.encoder.layers) if args.keep is None else args.keep
    clips = read_manifests(args.train)
    dev = read_manifest(args.dev)
    states, dev_states = (stored(loaded, part, args.keep, args.states) for part in (clips, dev))
    print(f"{len(clips)} clips stored", flush=True)
    audio = {"audio": {"kind": "frame_units", "folder": args.units, "weight": args.units_weight}}
    config = replace(
        loaded.model.config, vocab_size=tokenizer.vocab_size, decoder_layers=0, ctc_weight=args.ctc_weight,
        alignment_weight=0.0 if args.shuffle else args.alignment, further_heads=audio if args.units else {},
    )  # fmt: skip
    model = reader_above(loaded, config, args.keep)
    training_clips = shuffled(clips, args.seed) if args.shuffle else clips
    trained = LipReader(config)
    trained.load_state_dict(train(model, training_clips, states, tokenizer, (dev, dev_states), args).state_dict())
    window = {"window": loaded.config["window"]} if "window" in loaded.config else {}
    save_model(args.out, trained, tokenizer, {"name": Path(args.out).name, **window})


if __name__ == "__main__":
    main()
