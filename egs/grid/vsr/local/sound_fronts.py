#!/usr/bin/env python3
"""What a pretrained sound front end gains over one trained from scratch, with few clips.

    local/sound_fronts.py --config conf/unimodal_ssl.yaml --sound mel --train data/sound/train/manifest.jsonl \\
        --dev data/sound/dev/manifest.jsonl --test data/sound/test_s1/manifest.jsonl --out exp/mel
    local/sound_fronts.py ... --sound hama --out exp/hama
    local/fusion_rows.py --compare exp/mel exp/hama

The front end of video and the encoder begin as those of --model, which does not hear; a stream is left out of many
clips, as in the YAML. Clips are spoilt as spoilt.py says. --sound: "mel", the YAMLs' own front end, which is
trained; "hama", what that package's recogniser of phonemes, frozen, says of every 20 ms (log-probabilities of 191
signs; it has never heard GRID); "random", the states of a wav2vec 2.0 of four layers with first weights, frozen;
"grid-av", that model's front end of sound, frozen, which was trained on the texts of all of s1. --others: every clip
has the sound of another one, the control.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from kept import made_once
from noise import Cell, noisy
from rig import Plan, keep_scores, rates, training
from spoilt import Example, batches, copies_of, folder_of, parser, read, reader, some_of_s1, stored

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
LEAST = -10.0  # log-probabilities below it say no more


class Frozen(nn.Module):
    """Stored states (B, T, W) -> (B, T, D), by a linear layer, as `vsr.models.foundation.Foundation` does it."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, dim)

    def forward(self, given: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.out(self.norm(given)), mask)


def hearing_of(kind: str) -> Callable[[np.ndarray], Tensor]:
    """Wave (640 T,) -> (T, ...), of what is frozen."""
    if kind == "mel":
        return lambda wave: to_sound_input(wave, MEL)
    if kind == "random":
        torch.manual_seed(0)
        network = Foundation(1, RANDOM, -1, True, True).eval()
        return lambda wave: network.states(torch.from_numpy(wave)).unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)
    import hama

    session = hama.ASRModel().session

    def heard(wave: np.ndarray) -> Tensor:
        given = {"waveform": wave[None].astype(np.float32), "waveform_lengths": np.array([len(wave)])}
        found = torch.from_numpy(np.asarray(session.run(["log_probs", "out_lengths"], given)[0][0])).float()
        steps = UNITS_PER_FRAME * (len(wave) // 640)
        found = torch.cat([found, found[-1:].expand(max(0, steps - len(found)), -1)])[:steps].clamp(min=LEAST)
        return found.unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)

    return heard


@torch.inference_mode()
def with_sound(example: Example, hearing, voices: list[Clip], seed: int, folder: Path, kind: str) -> Example:
    """The same spoilt clip with what is heard of its sound; made once for each folder."""
    clip, cell, features = example
    if kind == "grid-av":
        return example

    def heard() -> np.ndarray:
        wave = noisy(clip, cell, voices, seed) if cell.kind else clip_wave(clip)
        return hearing(np.ascontiguousarray(wave, np.float32)).numpy()

    found = made_once(folder, clip, heard, f"_{cell.name}_{seed}_{kind}")
    return clip, cell, features | {SOUND: torch.from_numpy(found)}


def of_others(examples: list[Example]) -> list[Example]:
    """Every clip with the sound of the one before it."""
    before = [examples[-1], *examples[:-1]]
    return [
        (clip, cell, own | {SOUND: fitted(other[SOUND], len(own[VIDEO]))})
        for (clip, cell, own), (*_, other) in zip(examples, before, strict=True)
    ]


def fitted(sound: Tensor, frames: int) -> Tensor:
    """As many frames, the last one again where there are too few."""
    return torch.cat([sound, sound[-1:].expand(max(0, frames - len(sound)), *sound.shape[1:])])[:frames]


def main() -> None:
    own = parser(__doc__, "grid", 100)
    own.add_argument("--front", default="grid-av", help="whose front end of video is stored, that of --model (grid-av)")
    own.add_argument("--sound", choices=KINDS, default="mel")
    own.add_argument("--others", action="store_true", help="the control: the sound of other clips")
    args = own.parse_args()
    torch.set_num_threads(1)
    front = load_model(args.front)
    folder = folder_of(args, front)
    train, dev, test = (read_manifest(path) for path in (args.train, args.dev, args.test))
    check_disjoint(train, dev, test)
    chosen = some_of_s1(train, args.clips)
    hearing = None if args.sound == "grid-av" else hearing_of(args.sound)

    def made(examples: list[Example], seed: int) -> list[Example]:
        found = [with_sound(one, hearing, train, seed, folder, args.sound) for one in examples]
        return of_others(found) if args.others else found

    def copies(clips: list[Clip], seed: int) -> list[list[Example]]:
        """One list for each draw: the control deals within it."""
        return [
            made(list(some), seed)
            for some in zip(*copies_of(front, clips, args.draws, train, seed, folder), strict=True)
        ]

    taught = [list(some) for some in zip(*copies(chosen, 0), strict=True)]
    lists = {name: [one for some in copies(clips, seed) for one in some]
             for name, clips, seed in (("dev", dev, 1), ("mixed", test, 2))}  # fmt: skip
    clear = [stored(front, clip, Cell("both"), train, 2, folder) for clip in test]
    lists["as recorded"] = made(clear, 2)
    print(f"{len(chosen)} clips stored, {args.draws} times each", flush=True)
    loaded = load_model(args.model)
    torch.manual_seed(args.seed)
    changes = [*args.set, "model.frontend.sound={kind: mel, width: 192, layers: 2}"]
    model = reader(loaded, args.config, changes, (SOUND,) if args.sound == "mel" else ())
    tokenizer = loaded.tokenizer
    if args.sound != "mel":
        model.frontend.streams[SOUND] = Frozen(lists["dev"][0][2][SOUND].shape[1], model.config.dim)
    some = batches(taught, args.batch, Teacher(tokenizer), args.seed, dropout=(0.35, 0.25))
    for report in training(model, lambda average: ctc_attention, some, Plan(args.steps, args.lr, warmup=30, ema=0.98)):
        alone = read(report.model, lists["dev"], tokenizer, without=VIDEO)
        print(
            report, " dev", rates(read(report.model, lists["dev"], tokenizer)), " sound alone", rates(alone), flush=True
        )
    found = {name: read(report.model, own, tokenizer) for name, own in lists.items()}
    for name in ("mixed", "as recorded"):
        found[f"{name}, sound alone"] = read(report.model, lists[name], tokenizer, without=VIDEO)
    keep_scores(args.out, found)
    for name, each in found.items():
        print(f"{name}: {rates(each)}", flush=True)


if __name__ == "__main__":
    main()
