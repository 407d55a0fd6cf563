#!/usr/bin/env python3
"""Train and measure whether lips and sound belong together, on stored features of an audio-visual reader.

    local/synchrony.py --train data/sound/train/manifest.jsonl --out exp/sync
    local/synchrony.py --test data/sound/test_s1/manifest.jsonl data/sound/unseen/manifest.jsonl --out exp/sync

The front ends of the model (grid-av) are frozen; two small embeddings are trained for synchrony (CoGenAV). Measured:
the offset of clips whose sound is shifted by a known number of frames, and which of two faces speaks (pairs of
different speakers, and of the same); controls: the sound of another clip, and a still face.
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
from clip_cache import cached_array

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
SHIFTS = (-10, -5, -3, -2, -1, 0, 1, 2, 3, 5, 10)  # shifts of the sound of test clips, frames


def crop_of(clip: Clip) -> np.ndarray:
    """The stored crop (T, 96, 96)."""
    return CropDataset([clip], CharTokenizer(), None).crop(clip)


@torch.inference_mode()
def stored(model: Synchrony, clips: Sequence[Clip], folder: Path) -> list[tuple[Tensor, Tensor]]:
    """Front-end features (T, D) of the lips and the sound of each clip, cached in ``folder``."""
    folder = folder / model.sha256[:12]

    def features(clip: Clip) -> np.ndarray:
        return torch.stack(model.features(crop_of(clip), clip_wave(clip))).numpy()

    return [tuple(torch.from_numpy(cached_array(folder, clip, partial(features, clip)))) for clip in clips]


def train(model: Synchrony, features, minutes: float, seed: int) -> None:
    """Train the embeddings for ``minutes`` of wall-clock time."""
    torch.manual_seed(seed)
    model.fusion.train()
    optimiser = torch.optim.AdamW(model.fusion.parameters(), RATE, weight_decay=0.01)
    rng, start_time, step, share, mean = np.random.default_rng(seed), time.monotonic(), 0, 0.0, 0.0
    while share < 1:
        chosen = rng.permutation(len(features))[:BATCH]
        video, sound = (pad_sequence([features[i][stream] for i in chosen], True) for stream in (0, 1))
        mask = length_mask(torch.tensor([len(features[i][0]) for i in chosen]), video.shape[1])
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * share))
        loss = contrast_losses(model.fusion, video, sound, mask, None)["synchrony"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step, share = step + 1, min(1.0, (time.monotonic() - start_time) / 60 / minutes)
        mean = float(loss.detach()) if step == 1 else 0.98 * mean + 0.02 * float(loss.detach())
        if step % 200 == 0:
            print(f"step {step}  loss {mean:.3f}", flush=True)
    model.fusion.eval()
    print(f"{step} steps, {minutes:g} minutes, loss {mean:.3f}", flush=True)


def delayed(wave: np.ndarray, frames: int) -> np.ndarray:
    """A wave delayed by ``frames`` frames, with silence in the gap."""
    steps = frames * SAMPLES_PER_FRAME
    shifted = np.zeros_like(wave)
    shifted[max(0, steps) : len(wave) + min(0, steps)] = wave[max(0, -steps) : len(wave) - max(0, steps)]
    return shifted


def offsets(model: Synchrony, clips: Sequence[Clip], still: bool = False, other: bool = False) -> str:
    """Share of shifted sounds whose offset is found within one frame; controls: a still face, another clip's sound."""
    right, errors = 0, []
    for index, clip in enumerate(clips):
        crop = crop_of(clip)
        crop = np.repeat(crop[:1], len(crop), 0) if still else crop
        wave = clip_wave(clips[(index + 1) % len(clips)] if other else clip)
        wave = np.resize(wave, len(crop) * SAMPLES_PER_FRAME) if other else wave
        see = model.see(crop)
        for frames in SHIFTS:
            estimate = offset_of(see, model.hear(delayed(wave, frames))).frames
            errors.append(abs(estimate - frames))
            right += errors[-1] <= 1
    return f"{right} of {len(errors)} within one frame ({right / len(errors):.1%}), median error {np.median(errors):g}"


def who_speaks(model: Synchrony, first: Sequence[Clip], second: Sequence[Clip]) -> str:
    """Share of pairs in which the face that belongs to the sound scores higher than the other one."""
    right, margins = 0, []
    for speaking, silent in zip(first, second, strict=True):
        frames = min(speaking.num_frames, silent.num_frames)
        hear = model.hear(clip_wave(speaking)[: frames * SAMPLES_PER_FRAME])
        scores = [model.score(model.see(crop_of(clip)[:frames]), hear) for clip in (speaking, silent)]
        margins.append(scores[0] - scores[1])
        right += margins[-1] > 0
    return f"{right} of {len(margins)} ({right / max(1, len(margins)):.1%}), median margin {np.median(margins):.2f}"


def pairs(clips: Sequence[Clip], same: bool, seed: int = 0) -> tuple[list[Clip], list[Clip]]:
    """Each clip with another clip of the same speaker (``same``), or of a different one."""
    rng, matches = np.random.default_rng(seed), []
    for clip in clips:
        others = [other for other in clips if (other.speaker == clip.speaker) is same and other.id != clip.id]
        if others:
            matches.append((clip, others[int(rng.integers(len(others)))]))
    return [clip for clip, _ in matches], [other for _, other in matches]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="grid-av", help="whose front ends are taken (default: grid-av)")
    options.add_argument("--train", nargs="+", default=[], metavar="JSONL")
    options.add_argument("--test", nargs="+", default=[], metavar="JSONL")
    options.add_argument("--features", default="exp/sync_features", metavar="DIR")
    options.add_argument("--minutes", type=float, default=4.0)
    options.add_argument("--layers", type=int, default=2)
    options.add_argument("--width", type=int, default=96)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    if args.train:
        torch.manual_seed(args.seed)
        settings = ContrastSettings(width=args.width, layers=args.layers)
        model = Synchrony.of_reader(load_model(args.model), args.model, settings)
        clips = read_manifests(args.train)
        train(model, stored(model, clips, Path(args.features)), args.minutes, args.seed)
        save_synchrony(args.out, model, {"training": {"clips": len(clips), "minutes": args.minutes, "seed": args.seed}})
    model, lists = load_synchrony(args.out), [read_manifest(path) for path in args.test]
    for path, clips in zip(args.test, lists, strict=True):
        print(f"{path}: {len(clips)} clips, sound moved by {SHIFTS} frames")
        print("  offset:", offsets(model, clips), flush=True)
        print("  another clip's sound:", offsets(model, clips, other=True), flush=True)
        print("  a still face:", offsets(model, clips, still=True), flush=True)
        print("  who speaks, same speaker:", who_speaks(model, *pairs(clips, True)), flush=True)
    all_clips = [clip for clips in lists for clip in clips]
    if len({clip.speaker for clip in all_clips}) > 1:
        print("who speaks, different speakers:", who_speaks(model, *pairs(all_clips, False)))


if __name__ == "__main__":
    main()
