#!/usr/bin/env python3
"""Predict speech units from lips, for translations.py --lips: two Conformer layers on stored states of a reader.

    local/lips_units.py --units data/cepstra.safetensors --train data/lips_waves/train/manifest.jsonl \\
        --dev data/lips_waves/dev/manifest.jsonl --test data/lips_waves/test/manifest.jsonl --out exp/lips

The lists have crops and sounds (vsr waves); no text is used. Prints the accuracy of the units on dev and test, and that
of always predicting the most frequent unit; writes ID.npy (T, 2) of each test clip to OUT/lips, and the units of its
sound to OUT/sound. --shuffle trains on the units of other clips: the control.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
from few_videos import PER_FRAME, batch_of, batch_sampler, fit
from on_states import stored
from rig_options import rig_parser

from lip2speech.training.unit_pairs import units_of
from vsr.data.batch import Batch
from vsr.data.manifest import read_manifest
from vsr.media.units import Codebook
from vsr.models.conformer import Conformer
from vsr.models.lengths import length_mask
from vsr.models.target_heads import UNITS, FrameUnitHead
from vsr.modelstore.folder import load_model


class LipsToUnits(nn.Module):
    """Stored states (B, T, D) -> logits (B, T, 2, 1, K)."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.encoder = Conformer(width, 2, 4, 2 * width, 7, 0.1)
        self.head = FrameUnitHead(width, PER_FRAME, 1, size)

    def states(self, batch: Batch) -> Tensor:
        """Encoder states (B, T, D)."""
        states = batch.inputs[UNITS]
        return self.encoder(states, length_mask(batch.lengths, states.shape[1]))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the units."""
        return self.head.loss(self.states(batch), batch)["loss"]

    @torch.inference_mode()
    def units(self, states: Tensor) -> Tensor:
        """Predicted units (T, 2) of one clip's states (T, D)."""
        batch = batch_of([(states, torch.zeros(len(states), PER_FRAME, 1, dtype=torch.long))])
        return self.eval().head(self.states(batch))[0, :, :, 0].argmax(-1)


def accuracy(found: list[Tensor], known: list[Tensor]) -> float:
    """Accuracy of the units in %."""
    right = sum(int((predicted == true).sum()) for predicted, true in zip(found, known, strict=True))
    return 100 * right / sum(true.numel() for true in known)


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", steps=600, lr=2e-3, seed=0)
    for flag in ("--train", "--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--units", required=True, metavar="FILE", help="the codebook, that of the translator")
    options.add_argument("--shuffle", action="store_true", help="the control")
    options.add_argument("--out", type=Path, required=True, metavar="DIR")
    return options


def main() -> None:
    """Train, measure, write."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    codebook, loaded = Codebook.load(args.units), load_model(args.model)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    flat = units_of([clip for clips in lists.values() for clip in clips], codebook)
    keep, norm = len(loaded.model.encoder.layers), loaded.model.encoder.norm
    states, units = {}, {}
    for name, clips in lists.items():
        with torch.inference_mode():
            normalised = [norm(clip_states) for clip_states in stored(loaded, clips, keep, args.states)]
        states[name] = [clip_states.clone() for clip_states in normalised]
        units[name] = [
            flat[clip.id].view(-1, PER_FRAME)[: len(clip_states)]
            for clip, clip_states in zip(clips, normalised, strict=True)
        ]
    targets = units["train"]
    if args.shuffle:
        targets = [targets[index] for index in np.random.default_rng(args.seed).permutation(len(targets))]
    pairs = [
        (x[: len(y)], y[: len(x), :, None]) for x, y in zip(states["train"], targets, strict=True)
    ]  # fmt: skip
    model = LipsToUnits(states["train"][0].shape[1], len(codebook))
    fit(model, model.loss, batch_sampler(pairs), args.steps, args.lr, args.seed)
    predicted = {name: [model.units(clip_states) for clip_states in states[name]] for name in ("dev", "test")}
    common = Counter(unit for ids in units["train"] for unit in ids.flatten().tolist()).most_common(1)[0][0]
    for name, ids in predicted.items():
        always = [torch.full_like(clip_units, common) for clip_units in ids]
        print(f"{name}: {accuracy(ids, units[name]):.1f} % of the units are right, "
              f"{accuracy(always, units[name]):.1f} % are the commonest", flush=True)  # fmt: skip
    for name, units_by_clip in (("lips", predicted["test"]), ("sound", units["test"])):
        (args.out / name).mkdir(parents=True, exist_ok=True)
        for clip, ids in zip(lists["test"], units_by_clip, strict=True):
            np.save(args.out / name / f"{clip.id}.npy", ids.numpy())


if __name__ == "__main__":
    main()
