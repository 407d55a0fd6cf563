"""Shared by the rigs on corrupted clips: stored front-end features of GRID clips with corrupted lips and sound, their
batches, a reader without front ends, its decoding, and the options.

Every clip is corrupted several times, in training too: babble at -10 to 20 dB or none, noise over the mouth in one
stretch of 20 to 100 % of the frames or none (both drawn by noise.py).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from clip_cache import cached_array
from noise import Cell, cover_mouth, noisy, rng_of
from rig_options import full_batches, rig_parser

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.data.targets import Teacher
from vsr.data.transforms import to_network_input
from vsr.decoding.encoding import form_of
from vsr.evaluation.comparison_rows import summed
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.lipreader import LipReader
from vsr.modelstore.folder import LoadedModel
from vsr.text.normalise import lower
from vsr.training.config import TrainConfig, load_config
from vsr.training.initialisation import copy_weights

AT_ONCE = 20  # clips decoded together
Example = tuple[Clip, Cell, dict[str, Tensor]]  # features (T, ...) of the corrupted lips and sound


def some_of_s1(clips: list[Clip], count: int) -> list[Clip]:
    """``count`` random clips of s1; the same in every run."""
    candidates = [clip for clip in clips if clip.speaker == "s1" and clip.sound]
    return [candidates[i] for i in np.random.default_rng(0).permutation(len(candidates))[:count]]


def draw_cell(clip: Clip, number: int, seed: int) -> Cell:
    """The corruption of one copy of a clip."""
    rng = rng_of(clip, seed, f"copy {number}")
    snr, share = float(rng.uniform(-10, 20)), float(rng.uniform(0.2, 1.0))
    is_quiet, is_visible = rng.random(2) < (0.25, 0.4)
    return Cell("both", "" if is_quiet else "babble", float("inf") if is_quiet else snr, 0.0 if is_visible else share)


@torch.inference_mode()
def stored(loaded: LoadedModel, clip: Clip, cell: Cell, voices: list[Clip], seed: int, folder: Path) -> Example:
    """Front-end features of one corrupted clip, cached in ``folder``."""

    def features() -> np.ndarray:
        crop = cover_mouth(clip, cell.covered, seed)
        wave = noisy(clip, cell, voices, seed) if cell.kind else clip_wave(clip)
        streams, mask = loaded.model.frontend.streams, torch.ones(1, len(crop), dtype=torch.bool)
        inputs = {VIDEO: to_network_input(crop), SOUND: to_sound_input(wave, form_of(loaded))}
        return torch.cat([streams[name](data[None], mask) for name, data in inputs.items()]).numpy()

    features_of_both = cached_array(folder, clip, features, f"_{cell.name}_{seed}")
    return clip, cell, dict(zip((VIDEO, SOUND), torch.from_numpy(features_of_both), strict=True))


def folder_of(args: argparse.Namespace, loaded: LoadedModel) -> Path:
    """Folder of the stored front-end features of a model."""
    return Path(args.states) / loaded.weights_sha256[:12]


def copies_of(
    loaded: LoadedModel, clips: Sequence[Clip], draws: int, voices: list[Clip], seed: int, folder: Path
) -> list[list[Example]]:
    """``draws`` corrupted copies of each clip."""
    cells = [(clip, [draw_cell(clip, number, seed) for number in range(draws)]) for clip in clips]
    return [[stored(loaded, clip, cell, voices, seed, folder) for cell in clip_cells] for clip, clip_cells in cells]


def copy_by_copy(copies: Sequence[Sequence[Example]]) -> list[Example]:
    """The first copies of all clips, then the second ones: neighbours come from different clips."""
    return [example for examples in zip(*copies, strict=True) for example in examples]


def batch_of(examples: Sequence[Example], teacher: Teacher) -> Batch:
    """Padded features and text tokens."""
    lengths = torch.tensor([len(features[VIDEO]) for *_, features in examples])
    tokens = [
        torch.from_numpy(teacher(clip, len(features[VIDEO]), None)["tokens"].values) for clip, _, features in examples
    ]
    inputs = {name: pad_sequence([features[name] for *_, features in examples], True) for name in (VIDEO, SOUND)}
    return Batch(inputs, lengths, {"tokens": pad_sequence(tokens, True, IGNORE)}, [clip.id for clip, *_ in examples])


def batches(
    copies: list[list[Example]], size: int, teacher: Teacher, seed: int, dropout: tuple[float, float] = (0.0, 0.0)
) -> Iterator[Batch]:
    """Endless batches: each epoch has one copy of every clip. ``dropout``: probability of dropping the video of a clip,
    and its sound."""
    for epoch in range(10**9):
        rng = np.random.default_rng((seed, epoch))
        for indices in full_batches(rng.permutation(len(copies)), size):
            chosen = [copies[i][int(rng.integers(len(copies[i])))] for i in indices]
            batch = batch_of(chosen, teacher)
            yield replace(batch, present=draw_present(size, dropout, rng)) if any(dropout) else batch


def draw_present(size: int, dropout: tuple[float, float], rng: np.random.Generator) -> dict[str, Tensor]:
    """Which clips of a batch keep their video, and which their sound; every clip keeps at least one."""
    draws = torch.from_numpy(rng.random(size))
    return {VIDEO: draws >= dropout[0], SOUND: draws < 1 - dropout[1]}


class StoredFrontEnd(nn.Module):
    """Stands in for a front end whose features are stored."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return features


def reader(loaded: LoadedModel, yaml: str, changes: Sequence[str], trained: tuple[str, ...] = ()) -> LipReader:
    """The YAML's model with CTC alone; front ends that are not ``trained`` are replaced by stored features."""
    config = load_config(yaml, changes, TrainConfig).model_config(loaded.tokenizer.vocab_size)
    model = LipReader(replace(config, ctc_weight=1.0, decoder_layers=0, alignment_weight=0.0, further_heads={}))
    print(copy_weights(loaded.model, model, loaded.tokenizer, loaded.tokenizer), flush=True)
    for name in {VIDEO, SOUND} - set(trained):
        model.frontend.streams[name] = StoredFrontEnd()
    return model


@torch.inference_mode()
def read(model: LipReader, examples: Sequence[Example], tokenizer, without: str = "") -> list[UtteranceScore]:
    """Scores of greedy CTC, perhaps ``without`` one of the streams; for each clip the sum over its copies."""
    model.eval()
    teacher, by_clip = Teacher(tokenizer), {}
    for first in range(0, len(examples), AT_ONCE):
        part = examples[first : first + AT_ONCE]
        batch = batch_of(part, teacher)
        batch = replace(batch, present={without: torch.zeros(len(part), dtype=torch.bool)} if without else {})
        rankings = model.ctc.search(model.encode_batch(batch), batch.lengths)
        for (clip, *_), (best, *_) in zip(part, rankings, strict=True):
            utterance = score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best.tokens)))
            by_clip.setdefault(clip.id, []).append(utterance)
    return [total for copies in by_clip.values() for total in summed([[utterance] for utterance in copies])]


def parser(text: str, model: str, clips: int) -> argparse.ArgumentParser:
    """Options of the rigs on corrupted clips, with their defaults."""
    options = rig_parser(text, model=model, states="exp/spoilt", batch=8, lr=6e-4, steps=200, seed=0)
    options.add_argument("--config", metavar="YAML")
    options.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    for flag in ("--train", "--dev", "--test"):
        options.add_argument(flag, metavar="JSONL")
    options.add_argument(
        "--clips", type=int, default=clips, metavar="N", help="of s1 for training, by chance (%(default)s)"
    )
    options.add_argument("--draws", type=int, default=3, metavar="N", help="copies of each clip (default: 3)")
    options.add_argument("--out", type=Path, metavar="DIR")
    return options
