"""What a reader of units sees in clips, or a perfect one would: log-probabilities by CTC; and choices on dev."""

import argparse
import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vsr.core.files import read_lines
from vsr.core.tokens import BLANK
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip
from vsr.decoding.ctc import sayable
from vsr.decoding.encoding import encode_batch
from vsr.evaluation.wer import Score, UtteranceScore, score
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower
from vsr.text.phonemes import UNITS
from vsr.text.tokenizer import Tokenizer
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer, units_tokenizer

SURE = 0.99  # probability that a perfect reader gives to the right token of a frame


def add_reader(options: argparse.ArgumentParser, model: str) -> None:
    """Options of `recognised`; ``model``: help of --model."""
    options.add_argument("--model", help=model)
    options.add_argument("--perfect", choices=("phoneme", "viseme"), help="instead: every unit is seen")
    mistaken = "with --perfect: units taken for others"
    options.add_argument("--errors", type=float, default=0.0, metavar="P", help=mistaken)


def recognised(
    args: argparse.Namespace, lists: Sequence[Sequence[Clip]], dictionary: Sequence[str]
) -> tuple[Tokenizer, list[list[Tensor]]]:
    """Tokenizer, and log-probabilities (T, V) of each clip of each list, by ``--model`` or a perfect reader."""
    if not args.perfect:
        loaded = load_model(args.model)
        return loaded.tokenizer, [posteriors(loaded, clips) for clips in lists]
    settings = UnitSettings(args.perfect, dictionary=tuple(dictionary))
    tokenizer = units_tokenizer(settings, [line for _, line in read_lines(args.lexicon)])
    return tokenizer, [perfect(clips, tokenizer, args.errors, number) for number, clips in enumerate(lists)]


@torch.inference_mode()
def posteriors(loaded: LoadedModel, clips: Sequence[Clip]) -> list[Tensor]:
    """Log-probabilities (T, V) of each clip."""
    dataset, each = CropDataset(clips, loaded.tokenizer, None), []
    for index, clip in enumerate(clips):
        states = encode_batch(loaded, dataset.batch([index]), [clip])
        each.append(sayable(loaded.model.ctc_log_probs(states).float(), loaded.tokenizer.eos_id)[0])
    return each


def perfect(clips: Sequence[Clip], tokenizer: UnitTokenizer, errors: float = 0.0, seed: int = 0) -> list[Tensor]:
    """Log-probabilities of a reader that recognises every token: one frame each, followed by a blank frame.

    ``errors``: this share of the units is replaced at random, and the reader's confidence is lowered accordingly.
    """
    rng, units = random.Random(seed), tokenizer.ids(UNITS[tokenizer.unit])
    log_probs = []
    for clip in clips:
        tokens = [confused(token, units, errors, rng) for token in tokenizer.encode(clip.text)]
        log_probs.append(sayable(certain(tokens, units, errors, tokenizer.vocab_size).log(), tokenizer.eos_id))
    return log_probs


def certain(tokens: Sequence[int], units: Sequence[int], errors: float, size: int) -> Tensor:
    """Probabilities (2 U, V) of U tokens; units that may be wrong share ``errors`` among them."""
    probs = torch.full((2 * len(tokens), size), (1 - SURE) / size)
    probs[1::2, BLANK] = SURE
    for frame, token in zip(probs[::2], tokens, strict=True):
        if errors and token in units:
            frame[units] = errors / (len(units) - 1)
        frame[token] = 1 - errors if errors and token in units else SURE
    return probs


def confused(token: int, units: Sequence[int], errors: float, rng: random.Random) -> int:
    """The unit, or at random another one; word marks stay."""
    others = [unit for unit in units if unit != token]
    return rng.choice(others) if errors and token in units and rng.random() < errors else token


def texts_outside(path: str, lists: Sequence[Sequence[Clip]]) -> tuple[list[list[str]], int]:
    """Words of the lines of a file that no clip says, and how many lines (with empty ones) are left out."""
    spoken = {lower(clip.text) for clips in lists for clip in clips}
    lines = [lower(line) for _, line in read_lines(path)]
    texts = [line.split() for line in lines if line and line not in spoken]
    return texts, len(lines) - len(texts)


def scored(clips: Sequence[Clip], texts: Sequence[str]) -> tuple[Score, list[UtteranceScore]]:
    """Word errors of texts in the order of the clips."""
    references = {clip.id: clip.text for clip in clips}
    return score(references, dict(zip(references, texts, strict=True)))


ScoresWith = Callable[[int, float, float], tuple[Score, list[UtteranceScore]]]  # (dev 0 or test 1, weight, bonus)


def chosen_on_dev(
    name: str, scores_with: ScoresWith, weights: Sequence[float], bonuses: Sequence[float]
) -> list[UtteranceScore]:
    """Scores of test with the weight and bonus of fewest word errors on dev, the first of equals; prints a line."""
    dev = {(weight, bonus): scores_with(0, weight, bonus)[0].wer for weight in weights for bonus in bonuses}
    (weight, bonus), rate = min(dev.items(), key=lambda setting: setting[1])
    total, scores = scores_with(1, weight, bonus)
    print(f"{name}: weight {weight:g}, bonus {bonus:g}, dev {rate:.2%}; test {total}", flush=True)
    return scores
