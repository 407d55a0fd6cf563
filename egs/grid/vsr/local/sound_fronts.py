#!/usr/bin/env python3
"""Gain of a pretrained sound front end over one trained from scratch, with few clips.

    local/sound_fronts.py --config conf/unimodal_ssl.yaml --sound mel --train data/sound/train/manifest.jsonl \\
        --dev data/sound/dev/manifest.jsonl --test data/sound/test_s1/manifest.jsonl --out exp/mel
    local/sound_fronts.py ... --sound hama --out exp/hama
    local/fusion_rows.py --compare exp/mel exp/hama

The video front end and the encoder start from --model, which has no sound; streams are dropped in many clips, as in
the YAML. Clips are corrupted as corrupted_clips.py describes. --sound: "mel", the YAML's own front end, trained;
"hama", the output of that package's phoneme recogniser, frozen, for every 20 ms (log-probabilities of 191 symbols; it
was not trained on GRID); "random", the states of a randomly initialised wav2vec 2.0 of four layers, frozen; "grid-av",
that model's sound front end, frozen, which was trained on the texts of all of s1. --others: every clip has the sound of
another one, the control.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from clip_cache import cached_array
from corrupted_clips import Example, batches, copies_of, folder_of, parser, read, reader, some_of_s1, stored
from noise import Cell, noisy
from rig import Plan, rates, training, write_scores

from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import MEL, SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.data.splits import check_disjoint
from vsr.data.targets import Teacher
from vsr.models.foundation import Foundation
from vsr.models.lengths import zero_padding
from vsr.modelstore.folder import load_model
from vsr.objectives.ctc_attention import ctc_attention

KINDS = ("mel", "hama", "random", "grid-av")
RANDOM = {
    "model_type": "wav2vec2", "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 768, "conv_dim": [128] * 7, "num_conv_pos_embeddings": 32,
}  # fmt: skip
LEAST = -10.0  # floor of the log-probabilities


class FrozenFrontEnd(nn.Module):
    """Stored states (B, T, W) -> (B, T, D) through a linear layer, as in `vsr.models.foundation.Foundation`."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, dim)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.out(self.norm(states)), mask)


def front_end_of(kind: str) -> Callable[[np.ndarray], Tensor]:
    """Function of a frozen front end: wave (640 T,) -> (T, ...)."""
    if kind == "mel":
        return lambda wave: to_sound_input(wave, MEL)
    if kind == "random":
        torch.manual_seed(0)
        network = Foundation(1, RANDOM, -1, True, True).eval()
        return lambda wave: network.states(torch.from_numpy(wave)).unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)
    import hama

    session = hama.ASRModel().session

    def log_probs_of(wave: np.ndarray) -> Tensor:
        inputs = {"waveform": wave[None].astype(np.float32), "waveform_lengths": np.array([len(wave)])}
        output = torch.from_numpy(np.asarray(session.run(["log_probs", "out_lengths"], inputs)[0][0])).float()
        steps = UNITS_PER_FRAME * (len(wave) // 640)
        output = torch.cat([output, output[-1:].expand(max(0, steps - len(output)), -1)])[:steps].clamp(min=LEAST)
        return output.unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)

    return log_probs_of


@torch.inference_mode()
def with_sound(example: Example, front_end, voices: list[Clip], seed: int, folder: Path, kind: str) -> Example:
    """The same corrupted clip with the features of its sound, cached in ``folder``."""
    clip, cell, features = example
    if kind == "grid-av":
        return example

    def compute() -> np.ndarray:
        wave = noisy(clip, cell, voices, seed) if cell.kind else clip_wave(clip)
        return front_end(np.ascontiguousarray(wave, np.float32)).numpy()

    features_of_sound = cached_array(folder, clip, compute, f"_{cell.name}_{seed}_{kind}")
    return clip, cell, features | {SOUND: torch.from_numpy(features_of_sound)}


def with_sound_of_others(examples: list[Example]) -> list[Example]:
    """Every clip with the sound of the preceding one."""
    before = [examples[-1], *examples[:-1]]
    return [
        (clip, cell, features | {SOUND: fit_length(other[SOUND], len(features[VIDEO]))})
        for (clip, cell, features), (*_, other) in zip(examples, before, strict=True)
    ]


def fit_length(sound: Tensor, frames: int) -> Tensor:
    """``frames`` frames; the last one is repeated if there are too few."""
    return torch.cat([sound, sound[-1:].expand(max(0, frames - len(sound)), *sound.shape[1:])])[:frames]


def main() -> None:
    options = parser(__doc__, "grid", 100)
    options.add_argument(
        "--front", default="grid-av", help="whose front end of video is stored, that of --model (grid-av)"
    )
    options.add_argument("--sound", choices=KINDS, default="mel")
    options.add_argument("--others", action="store_true", help="the control: the sound of other clips")
    args = options.parse_args()
    torch.set_num_threads(1)
    front = load_model(args.front)
    folder = folder_of(args, front)
    train, dev, test = (read_manifest(path) for path in (args.train, args.dev, args.test))
    check_disjoint(train, dev, test)
    chosen = some_of_s1(train, args.clips)
    hearing = None if args.sound == "grid-av" else front_end_of(args.sound)

    def prepared(examples: list[Example], seed: int) -> list[Example]:
        examples_with_sound = [with_sound(example, hearing, train, seed, folder, args.sound) for example in examples]
        return with_sound_of_others(examples_with_sound) if args.others else examples_with_sound

    def copies(clips: list[Clip], seed: int) -> list[list[Example]]:
        """One list for each draw: the control exchanges the sounds within it."""
        return [
            prepared(list(examples), seed)
            for examples in zip(*copies_of(front, clips, args.draws, train, seed, folder), strict=True)
        ]

    training_copies = [list(examples) for examples in zip(*copies(chosen, 0), strict=True)]
    lists = {name: [example for examples in copies(clips, seed) for example in examples]
             for name, clips, seed in (("dev", dev, 1), ("mixed", test, 2))}  # fmt: skip
    clear = [stored(front, clip, Cell("both"), train, 2, folder) for clip in test]
    lists["as recorded"] = prepared(clear, 2)
    print(f"{len(chosen)} clips stored, {args.draws} times each", flush=True)
    loaded = load_model(args.model)
    torch.manual_seed(args.seed)
    changes = [*args.set, "model.frontend.sound={kind: mel, width: 192, layers: 2}"]
    model = reader(loaded, args.config, changes, (SOUND,) if args.sound == "mel" else ())
    tokenizer = loaded.tokenizer
    if args.sound != "mel":
        model.frontend.streams[SOUND] = FrozenFrontEnd(lists["dev"][0][2][SOUND].shape[1], model.config.dim)
    training_batches = batches(training_copies, args.batch, Teacher(tokenizer), args.seed, dropout=(0.35, 0.25))
    for report in training(
        model, lambda average: ctc_attention, training_batches, Plan(args.steps, args.lr, warmup=30, ema=0.98)
    ):
        alone = read(report.model, lists["dev"], tokenizer, without=VIDEO)
        print(
            report, " dev", rates(read(report.model, lists["dev"], tokenizer)), " sound alone", rates(alone), flush=True
        )
    scores = {name: read(report.model, examples, tokenizer) for name, examples in lists.items()}
    for name in ("mixed", "as recorded"):
        scores[f"{name}, sound alone"] = read(report.model, lists[name], tokenizer, without=VIDEO)
    write_scores(args.out, scores)
    for name, list_scores in scores.items():
        print(f"{name}: {rates(list_scores)}", flush=True)


if __name__ == "__main__":
    main()
