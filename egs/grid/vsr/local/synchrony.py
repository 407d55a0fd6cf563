#!/usr/bin/env python3
"""Whether lips and sound belong together, learned on stored features of a reader of both, and measured.

    local/synchrony.py --train data/sound/train/manifest.jsonl --out exp/sync
    local/synchrony.py --test data/sound/test_s1/manifest.jsonl data/sound/unseen/manifest.jsonl --out exp/sync

The front ends of the model (grid-av) stay as they are; two small embeddings are trained by synchrony (CoGenAV).
Measured: the offset of clips whose sound is moved by a known number of frames, and which of two faces speaks (pairs of
different speakers, and of one); controls: the sound of another clip, and a still face.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from kept import made_once

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.sound_input import clip_wave
from vsr.decoding.synchrony import Synchrony, load_synchrony, offset_of, save_synchrony
from vsr.models.contrastive_fusion import ContrastSettings
from vsr.models.lengths import length_mask
from vsr.modelstore.folder import load_model
from vsr.objectives.contrast import contrast_losses
from vsr.text.tokenizer import CharTokenizer

BATCH, RATE = 24, 1e-3
SHIFTS = (-10, -5, -3, -2, -1, 0, 1, 2, 3, 5, 10)  # frames by which the sound of test clips is moved


def crop_of(clip: Clip) -> np.ndarray:
    """The stored crop (T, 96, 96)."""
    return CropDataset([clip], CharTokenizer(), None).crop(clip)


@torch.inference_mode()
def stored(model: Synchrony, clips: Sequence[Clip], folder: Path) -> list[tuple[Tensor, Tensor]]:
    """Features (T, D) of lips and of sound by the front ends, of each clip; made once for each folder."""
    folder = folder / model.sha256[:12]

    def features(clip: Clip) -> np.ndarray:
        return torch.stack(model.features(crop_of(clip), clip_wave(clip))).numpy()

    return [tuple(torch.from_numpy(made_once(folder, clip, partial(features, clip)))) for clip in clips]


def train(model: Synchrony, features, minutes: float, seed: int) -> None:
    """Train the embeddings; the clock ends it."""
    torch.manual_seed(seed)
    model.fusion.train()
    optimiser = torch.optim.AdamW(model.fusion.parameters(), RATE, weight_decay=0.01)
    rng, begun, step, share, mean = np.random.default_rng(seed), time.monotonic(), 0, 0.0, 0.0
    while share < 1:
        chosen = rng.permutation(len(features))[:BATCH]
        video, sound = (pad_sequence([features[i][place] for i in chosen], True) for place in (0, 1))
        mask = length_mask(torch.tensor([len(features[i][0]) for i in chosen]), video.shape[1])
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * share))
        loss = contrast_losses(model.fusion, video, sound, mask, None)["synchrony"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step, share = step + 1, min(1.0, (time.monotonic() - begun) / 60 / minutes)
        mean = float(loss.detach()) if step == 1 else 0.98 * mean + 0.02 * float(loss.detach())
        if step % 200 == 0:
            print(f"step {step}  loss {mean:.3f}", flush=True)
    model.fusion.eval()
    print(f"{step} steps, {minutes:g} minutes, loss {mean:.3f}", flush=True)


def moved(wave: np.ndarray, frames: int) -> np.ndarray:
    """A wave that comes so many frames later, with silence where there is none."""
    steps = frames * SAMPLES_PER_FRAME
    found = np.zeros_like(wave)
    found[max(0, steps) : len(wave) + min(0, steps)] = wave[max(0, -steps) : len(wave) - max(0, steps)]
    return found


def offsets(model: Synchrony, clips: Sequence[Clip], still: bool = False, other: bool = False) -> str:
    """How often the offset of moved sound is found within a frame; controls: a still face, another clip's sound."""
    right, errors = 0, []
    for place, clip in enumerate(clips):
        crop = crop_of(clip)
        crop = np.repeat(crop[:1], len(crop), 0) if still else crop
        wave = clip_wave(clips[(place + 1) % len(clips)] if other else clip)
        wave = np.resize(wave, len(crop) * SAMPLES_PER_FRAME) if other else wave
        see = model.see(crop)
        for frames in SHIFTS:
            found = offset_of(see, model.hear(moved(wave, frames))).frames
            errors.append(abs(found - frames))
            right += errors[-1] <= 1
    return f"{right} of {len(errors)} within one frame ({right / len(errors):.1%}), median error {np.median(errors):g}"


def who_speaks(model: Synchrony, first: Sequence[Clip], second: Sequence[Clip]) -> str:
    """How often the face whose sound it is scores above another's."""
    right, margins = 0, []
    for one, two in zip(first, second, strict=True):
        frames = min(one.num_frames, two.num_frames)
        hear = model.hear(clip_wave(one)[: frames * SAMPLES_PER_FRAME])
        scores = [model.score(model.see(crop_of(own)[:frames]), hear) for own in (one, two)]
        margins.append(scores[0] - scores[1])
        right += margins[-1] > 0
    return f"{right} of {len(margins)} ({right / max(1, len(margins)):.1%}), median margin {np.median(margins):.2f}"


def pairs(clips: Sequence[Clip], same: bool, seed: int = 0) -> tuple[list[Clip], list[Clip]]:
    """Each clip and another of the same speaker, or of another one."""
    rng, found = np.random.default_rng(seed), []
    for clip in clips:
        others = [own for own in clips if (own.speaker == clip.speaker) is same and own.id != clip.id]
        if others:
            found.append((clip, others[int(rng.integers(len(others)))]))
    return [one for one, _ in found], [two for _, two in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="grid-av", help="whose front ends are taken (default: grid-av)")
    parser.add_argument("--train", nargs="+", default=[], metavar="JSONL")
    parser.add_argument("--test", nargs="+", default=[], metavar="JSONL")
    parser.add_argument("--features", default="exp/sync_features", metavar="DIR")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.train:
        torch.manual_seed(args.seed)
        settings = ContrastSettings(width=args.width, layers=args.layers)
        model = Synchrony.of_reader(load_model(args.model), args.model, settings)
        clips = read_manifests(args.train)
        train(model, stored(model, clips, Path(args.features)), args.minutes, args.seed)
        save_synchrony(args.out, model, {"training": {"clips": len(clips), "minutes": args.minutes, "seed": args.seed}})
    model, each = load_synchrony(args.out), [read_manifest(path) for path in args.test]
    for path, clips in zip(args.test, each, strict=True):
        print(f"{path}: {len(clips)} clips, sound moved by {SHIFTS} frames")
        print("  offset:", offsets(model, clips), flush=True)
        print("  another clip's sound:", offsets(model, clips, other=True), flush=True)
        print("  a still face:", offsets(model, clips, still=True), flush=True)
        print("  who speaks, same speaker:", who_speaks(model, *pairs(clips, True)), flush=True)
    everybody = [clip for clips in each for clip in clips]
    if len({clip.speaker for clip in everybody}) > 1:
        print("who speaks, different speakers:", who_speaks(model, *pairs(everybody, False)))


if __name__ == "__main__":
    main()
