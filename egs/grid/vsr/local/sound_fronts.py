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

import argparse
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from clip_cache import cached_array
from corrupted_clips import Example, batches, copies_of, folder_of, parser, read, reader, some_of_s1, stored
from frozen_sounds import KINDS, FrontEnd, Frozen, fit_length, front_end_of
from noise import Cell, noisy
from rig import Plan, rates, training, write_scores

from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave
from vsr.data.splits import check_disjoint
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore
from vsr.models.lipreader import LipReader
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.ctc_attention import ctc_attention


def with_sound_of_others(examples: list[Example]) -> list[Example]:
    """Every clip with the sound of the preceding one."""
    before = [examples[-1], *examples[:-1]]
    exchanged = []
    for (clip, cell, features), (*_, other) in zip(examples, before, strict=True):
        sound = fit_length(other[SOUND], len(features[VIDEO]))
        exchanged.append((clip, cell, features | {SOUND: sound}))
    return exchanged


@dataclass(frozen=True)
class Corpus:
    """Makes corrupted clips with the features of their sound, by ``hearing`` or else by ``front``, that of video."""

    front: LoadedModel
    hearing: FrontEnd | None
    voices: list[Clip]
    args: argparse.Namespace

    @property
    def folder(self) -> Path:
        """Of the stored features."""
        return folder_of(self.args, self.front)

    def copies(self, clips: list[Clip], seed: int) -> list[list[Example]]:
        """A list of corrupted clips for each draw."""
        copies = copies_of(self.front, clips, self.args.draws, self.voices, seed, self.folder)
        return [self.with_sounds(list(examples), seed) for examples in zip(*copies, strict=True)]

    def as_recorded(self, clips: list[Clip], seed: int) -> list[Example]:
        """The clips, not corrupted."""
        clear = [stored(self.front, clip, Cell("both"), self.voices, seed, self.folder) for clip in clips]
        return self.with_sounds(clear, seed)

    def with_sounds(self, examples: list[Example], seed: int) -> list[Example]:
        """The same clips with the features of their sound; the control exchanges them within the list."""
        if self.hearing:
            examples = [self.with_sound(example, seed) for example in examples]
        return with_sound_of_others(examples) if self.args.others else examples

    @torch.inference_mode()
    def with_sound(self, example: Example, seed: int) -> Example:
        """The same corrupted clip with the features of its sound, which are cached."""
        clip, cell, features = example

        def heard() -> np.ndarray:
            wave = noisy(clip, cell, self.voices, seed) if cell.kind else clip_wave(clip)
            return self.hearing(np.ascontiguousarray(wave, np.float32)).numpy()

        sound = cached_array(self.folder, clip, heard, f"_{cell.name}_{seed}_{self.args.sound}")
        return clip, cell, features | {SOUND: torch.from_numpy(sound)}


def new_reader(loaded: LoadedModel, width: int, args: argparse.Namespace) -> LipReader:
    """The YAML's model; features of sound with ``width`` values are given to it, unless their front end is trained."""
    torch.manual_seed(args.seed)
    changes = [*args.set, "model.frontend.sound={kind: mel, width: 192, layers: 2}"]
    model = reader(loaded, args.config, changes, (SOUND,) if args.sound == "mel" else ())
    if args.sound != "mel":
        model.frontend.streams[SOUND] = Frozen(width, model.config.dim)
    return model


def train(model: LipReader, copies: list[list[Example]], dev: list[Example], tokenizer, args) -> nn.Module:
    """The EMA weights after ``--steps``; prints the error rates on dev."""
    drawn = batches(copies, args.batch, Teacher(tokenizer), args.seed, dropout=(0.35, 0.25))
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98)
    for report in training(model, lambda average: ctc_attention, drawn, plan):
        alone = read(report.model, dev, tokenizer, without=VIDEO)
        both = read(report.model, dev, tokenizer)
        print(report, " dev", rates(both), " sound alone", rates(alone), flush=True)
    return report.model


def scores_of(model: nn.Module, lists: dict[str, list[Example]], tokenizer) -> dict[str, list[UtteranceScore]]:
    """Scores of each list, and of the tests by sound alone."""
    scores = {name: read(model, examples, tokenizer) for name, examples in lists.items()}
    for name in ("mixed", "as recorded"):
        scores[f"{name}, sound alone"] = read(model, lists[name], tokenizer, without=VIDEO)
    return scores


def options() -> argparse.ArgumentParser:
    front = "whose front end of video is stored, that of --model (grid-av)"
    options = parser(__doc__, "grid", 100)
    options.add_argument("--front", default="grid-av", help=front)
    options.add_argument("--sound", choices=KINDS, default="mel")
    options.add_argument("--others", action="store_true", help="the control: the sound of other clips")
    return options


def main() -> None:
    args = options().parse_args()
    torch.set_num_threads(1)
    front = load_model(args.front)
    train_clips, dev, test = (read_manifest(path) for path in (args.train, args.dev, args.test))
    check_disjoint(train_clips, dev, test)
    chosen = some_of_s1(train_clips, args.clips)
    corpus = Corpus(front, front_end_of(args.sound), train_clips, args)
    copies_by_clip = [list(examples) for examples in zip(*corpus.copies(chosen, 0), strict=True)]
    lists = {
        "dev": list(chain(*corpus.copies(dev, 1))),
        "mixed": list(chain(*corpus.copies(test, 2))),
        "as recorded": corpus.as_recorded(test, 2),
    }
    print(f"{len(chosen)} clips stored, {args.draws} times each", flush=True)
    loaded = load_model(args.model)
    model = new_reader(loaded, lists["dev"][0][2][SOUND].shape[1], args)
    trained = train(model, copies_by_clip, lists["dev"], loaded.tokenizer, args)
    scores = scores_of(trained, lists, loaded.tokenizer)
    write_scores(args.out, scores)
    for name, list_scores in scores.items():
        print(f"{name}: {rates(list_scores)}", flush=True)


if __name__ == "__main__":
    main()
