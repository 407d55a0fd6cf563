"""What the rigs on spoilt clips share: clips of GRID whose lips and sound are spoilt, as the front ends see them,
stored; batches of them; the model that begins behind its front ends, what it reads, and the options.

Every clip is spoilt several times, in training too: babble of -10 to 20 dB or none, noise over the mouth in a stretch
of 20 to 100 % of the frames or none (noise.py draws both).
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
from kept import made_once
from noise import Cell, covered, noisy, rng_of
from rig_options import rig_parser

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.data.targets import Teacher
from vsr.data.transforms import to_network_input
from vsr.decoding.encoding import form_of
from vsr.evaluation.rows import summed
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.lipreader import LipReader
from vsr.modelstore.folder import LoadedModel
from vsr.text.normalise import lower
from vsr.training.config import TrainConfig, load_config
from vsr.training.starting import copy_weights

AT_ONCE = 20  # clips that are read together
Example = tuple[Clip, Cell, dict[str, Tensor]]  # features (T, ...) of lips and sound, as they are spoilt


def some_of_s1(clips: list[Clip], count: int) -> list[Clip]:
    """So many clips of s1, by chance; the same in every run."""
    own = [clip for clip in clips if clip.speaker == "s1" and clip.sound]
    return [own[i] for i in np.random.default_rng(0).permutation(len(own))[:count]]


def drawn(clip: Clip, number: int, seed: int) -> Cell:
    """How one of the copies of a clip is spoilt."""
    rng = rng_of(clip, seed, f"copy {number}")
    snr, share = float(rng.uniform(-10, 20)), float(rng.uniform(0.2, 1.0))
    quiet, seen = rng.random(2) < (0.25, 0.4)
    return Cell("both", "" if quiet else "babble", float("inf") if quiet else snr, 0.0 if seen else share)


@torch.inference_mode()
def stored(loaded: LoadedModel, clip: Clip, cell: Cell, voices: list[Clip], seed: int, folder: Path) -> Example:
    """One spoilt clip as the front ends see it; made once for each folder."""

    def features() -> np.ndarray:
        crop = covered(clip, cell.covered, seed)
        wave = noisy(clip, cell, voices, seed) if cell.kind else clip_wave(clip)
        streams, mask = loaded.model.frontend.streams, torch.ones(1, len(crop), dtype=torch.bool)
        inputs = {VIDEO: to_network_input(crop), SOUND: to_sound_input(wave, form_of(loaded))}
        return torch.cat([streams[name](own[None], mask) for name, own in inputs.items()]).numpy()

    both = made_once(folder, clip, features, f"_{cell.name}_{seed}")
    return clip, cell, dict(zip((VIDEO, SOUND), torch.from_numpy(both), strict=True))


def folder_of(args: argparse.Namespace, loaded: LoadedModel) -> Path:
    """Where the features of a model's front ends are stored."""
    return Path(args.states) / loaded.weights_sha256[:12]


def copies_of(
    loaded: LoadedModel, clips: Sequence[Clip], draws: int, voices: list[Clip], seed: int, folder: Path
) -> list[list[Example]]:
    """Of each clip so many spoilt copies."""
    cells = [(clip, [drawn(clip, number, seed) for number in range(draws)]) for clip in clips]
    return [[stored(loaded, clip, cell, voices, seed, folder) for cell in some] for clip, some in cells]


def one_after_another(copies: Sequence[Sequence[Example]]) -> list[Example]:
    """The first copies of all clips, then the second ones: neighbours are of different clips."""
    return [own for some in zip(*copies, strict=True) for own in some]


def batch_of(examples: Sequence[Example], teacher: Teacher) -> Batch:
    """Padded features and the tokens of the texts."""
    lengths = torch.tensor([len(own[VIDEO]) for *_, own in examples])
    made = [torch.from_numpy(teacher(clip, len(own[VIDEO]), None)["tokens"].values) for clip, _, own in examples]
    inputs = {name: pad_sequence([own[name] for *_, own in examples], True) for name in (VIDEO, SOUND)}
    return Batch(inputs, lengths, {"tokens": pad_sequence(made, True, IGNORE)}, [clip.id for clip, *_ in examples])


def batches(
    copies: list[list[Example]], size: int, teacher: Teacher, seed: int, dropout: tuple[float, float] = (0.0, 0.0)
) -> Iterator[Batch]:
    """Without end: each epoch has every clip once, by one of its copies. ``dropout``: how often the video of a clip is
    left out, and how often its sound."""
    for epoch in range(10**9):
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(copies))
        for first in range(0, len(order) - size + 1, size):
            chosen = [copies[i][int(rng.integers(len(copies[i])))] for i in order[first : first + size]]
            batch = batch_of(chosen, teacher)
            yield replace(batch, present=some_left_out(size, dropout, rng)) if any(dropout) else batch


def some_left_out(size: int, dropout: tuple[float, float], rng: np.random.Generator) -> dict[str, Tensor]:
    """Which clips of a batch have their video, and which their sound; all have one of both."""
    drawn = torch.from_numpy(rng.random(size))
    return {VIDEO: drawn >= dropout[0], SOUND: drawn < 1 - dropout[1]}


class Passed(nn.Module):
    """Features that are stored already."""

    def forward(self, given: Tensor, mask: Tensor) -> Tensor:
        return given


def reader(loaded: LoadedModel, yaml: str, changes: Sequence[str], trained: tuple[str, ...] = ()) -> LipReader:
    """The YAML's model with CTC alone; in place of its front ends, but those that are ``trained``, stand stored
    features."""
    config = load_config(yaml, changes, TrainConfig).model_config(loaded.tokenizer.vocab_size)
    model = LipReader(replace(config, ctc_weight=1.0, decoder_layers=0, alignment_weight=0.0, further_heads={}))
    print(copy_weights(loaded.model, model, loaded.tokenizer, loaded.tokenizer), flush=True)
    for name in {VIDEO, SOUND} - set(trained):
        model.frontend.streams[name] = Passed()
    return model


@torch.inference_mode()
def read(model: LipReader, examples: Sequence[Example], tokenizer, without: str = "") -> list[UtteranceScore]:
    """What CTC reads, greedily, perhaps ``without`` one of the streams: of each clip the sum over its copies."""
    model.eval()
    teacher, found = Teacher(tokenizer), {}
    for first in range(0, len(examples), AT_ONCE):
        some = examples[first : first + AT_ONCE]
        batch = batch_of(some, teacher)
        batch = replace(batch, present={without: torch.zeros(len(some), dtype=torch.bool)} if without else {})
        each = model.ctc.search(model.encode_batch(batch), batch.lengths)
        for (clip, *_), (best, *_) in zip(some, each, strict=True):
            one = score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best.tokens)))
            found.setdefault(clip.id, []).append(one)
    return [own for same in found.values() for own in summed([[one] for one in same])]


def parser(text: str, model: str, clips: int) -> argparse.ArgumentParser:
    """The options of the rigs on spoilt clips, with their defaults."""
    own = rig_parser(text, model=model, states="exp/spoilt", batch=8, lr=6e-4, steps=200, seed=0)
    own.add_argument("--config", metavar="YAML")
    own.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    for flag in ("--train", "--dev", "--test"):
        own.add_argument(flag, metavar="JSONL")
    own.add_argument(
        "--clips", type=int, default=clips, metavar="N", help="of s1 for training, by chance (%(default)s)"
    )
    own.add_argument("--draws", type=int, default=3, metavar="N", help="copies of each clip (default: 3)")
    own.add_argument("--out", type=Path, metavar="DIR")
    return own
