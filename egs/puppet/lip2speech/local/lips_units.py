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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
from unit_rig import batch_of, batch_sampler, fit, state_unit_pairs

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from encoder_states import encoder_states
from rig_options import rig_parser

from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest
from vsr.media.units import Codebook
from vsr.models.conformer import Conformer
from vsr.models.lengths import length_mask
from vsr.models.target_heads import UNITS, FrameUnitHead
from vsr.modelstore.folder import LoadedModel, load_model


class LipsToUnits(nn.Module):
    """Stored states (B, T, D) -> logits (B, T, 2, 1, K)."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.encoder = Conformer(width, 2, 4, 2 * width, 7, 0.1)
        self.head = FrameUnitHead(width, UNITS_PER_FRAME, 1, size)

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
        batch = batch_of([(states, torch.zeros(len(states), UNITS_PER_FRAME, 1, dtype=torch.long))])
        return self.eval().head(self.states(batch))[0, :, :, 0].argmax(-1)


@dataclass(frozen=True)
class Videos:
    """Clips of a list, with the states (T, D) of their lips and the units (T, 2) of their sound."""

    clips: Sequence[Clip]
    states: list[Tensor]
    units: list[Tensor]

    @classmethod
    def of(cls, clips: Sequence[Clip], units: dict[str, Tensor], loaded: LoadedModel, root: str) -> "Videos":
        """Clips with ``units`` (2T,) by id; states are cached under ``root``."""
        states = encoder_states(loaded, clips, root)
        by_frame = [units[clip.id].view(-1, UNITS_PER_FRAME) for clip in clips]
        return cls(clips, states, [known[: len(lips)] for known, lips in zip(by_frame, states, strict=True)])

    def write(self, folder: Path, units: Sequence[Tensor]) -> None:
        """ID.npy (T, 2) of each clip."""
        folder.mkdir(parents=True, exist_ok=True)
        for clip, clip_units in zip(self.clips, units, strict=True):
            np.save(folder / f"{clip.id}.npy", clip_units.numpy())


def trained(videos: Videos, size: int, args: argparse.Namespace) -> LipsToUnits:
    """The model after ``--steps``; with ``--shuffle`` on the units of other clips."""
    targets = videos.units
    if args.shuffle:
        targets = [targets[index] for index in np.random.default_rng(args.seed).permutation(len(targets))]
    model = LipsToUnits(videos.states[0].shape[1], size)
    fit(model, model.loss, batch_sampler(state_unit_pairs(videos.states, targets)), args.steps, args.lr, args.seed)
    return model


def most_frequent(units: Sequence[Tensor]) -> int:
    """The most frequent unit."""
    return Counter(unit for clip_units in units for unit in clip_units.flatten().tolist()).most_common(1)[0][0]


def accuracy(found: Sequence[Tensor], known: Sequence[Tensor]) -> float:
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
    lists = [read_manifest(path) for path in (args.train, args.dev, args.test)]
    units = units_of([clip for clips in lists for clip in clips], codebook)
    train, dev, test = (Videos.of(clips, units, loaded, args.states) for clips in lists)
    model, frequent = trained(train, len(codebook), args), most_frequent(train.units)
    predicted = {}
    for name, videos in (("dev", dev), ("test", test)):
        predicted[name] = [model.units(states) for states in videos.states]
        always = [torch.full_like(clip_units, frequent) for clip_units in videos.units]
        print(f"{name}: {accuracy(predicted[name], videos.units):.1f} % of the units are right, "
              f"{accuracy(always, videos.units):.1f} % are the commonest", flush=True)  # fmt: skip
    test.write(args.out / "lips", predicted["test"])
    test.write(args.out / "sound", test.units)


if __name__ == "__main__":
    main()
