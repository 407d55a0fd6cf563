#!/usr/bin/env python3
"""Words from a phoneme reader with a lexicon: without language model, with unigrams, with n-grams, paired intervals.

    local/lexicon_rows.py --model exp/phones/model --dev data/crops/dev/manifest.jsonl \\
        --test data/crops/test/manifest.jsonl --texts texts.txt --lexicon words.txt

Weight and bonus of each language model are chosen on dev; test is read once with each. Lines of ``--texts`` that occur
in dev or test are left out, and counted. Controls: pronunciations permuted among the words of the lexicon (--shuffle),
and a reader that recognises every viseme of the text (--perfect), which shows what lips alone cannot distinguish.
"""

import argparse
import random
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vsr.core.files import read_lines
from vsr.core.tokens import BLANK
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.ctc import greedy, sayable
from vsr.decoding.encoding import encode_batch
from vsr.decoding.lexicon import Lexicon, lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, NoLanguage
from vsr.evaluation.comparison_rows import gains
from vsr.evaluation.units import score_units
from vsr.evaluation.wer import Score, UtteranceScore, score
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower
from vsr.text.phonemes import UNITS
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer, units_tokenizer

WEIGHTS, BONUSES = (0.3, 0.6, 1.0, 1.5, 2.5), (0.0, 2.0, 4.0)
SURE = 0.99  # probability that a perfect reader gives to the right token of a frame


@torch.inference_mode()
def posteriors(loaded: LoadedModel, clips: Sequence[Clip]) -> list[Tensor]:
    """Log-probabilities (T, V) of each clip."""
    dataset, log_probs_of_clips = CropDataset(clips, loaded.tokenizer, None), []
    for index, clip in enumerate(clips):
        batch = dataset.batch([index])
        log_probs = loaded.model.ctc_log_probs(encode_batch(loaded, batch, [clip])).float()
        log_probs_of_clips.append(sayable(log_probs, loaded.tokenizer.eos_id)[0])
    return log_probs_of_clips


def perfect(clips: Sequence[Clip], tokenizer: UnitTokenizer, errors: float = 0.0, seed: int = 0) -> list[Tensor]:
    """Log-probabilities of a reader that recognises every token: one frame each, followed by a blank frame.

    ``errors``: this share of the units is replaced at random, and the reader's confidence is lowered accordingly.
    """
    rng, units = random.Random(seed), tokenizer.ids(UNITS[tokenizer.unit])
    log_probs = []
    for clip in clips:
        tokens = [confused(token, units, errors, rng) for token in tokenizer.encode(clip.text)]
        probs = torch.full((2 * len(tokens), tokenizer.vocab_size), (1 - SURE) / tokenizer.vocab_size)
        probs[1::2, BLANK] = SURE
        for row, token in zip(probs[::2], tokens, strict=True):
            if errors and token in units:
                row[units] = errors / (len(units) - 1)
            row[token] = 1 - errors if errors and token in units else SURE
        log_probs.append(sayable(probs.log(), tokenizer.eos_id))
    return log_probs


def confused(token: int, units: Sequence[int], errors: float, rng: random.Random) -> int:
    """The unit, or at random another one; word marks stay."""
    others = [unit for unit in units if unit != token]
    return rng.choice(others) if errors and token in units and rng.random() < errors else token


def read(search: LexiconSearch, each: Sequence[Tensor], beam: int) -> list[str]:
    """The best text of each clip."""
    results = (search.run(log_probs, beam, 1) for log_probs in each)
    return [" ".join(hypotheses[0].words) if hypotheses else "" for hypotheses in results]


def scored(clips: Sequence[Clip], texts: Sequence[str]) -> tuple[Score, list[UtteranceScore]]:
    """Word errors of texts in the order of the clips."""
    references = {clip.id: clip.text for clip in clips}
    return score(references, dict(zip(references, texts, strict=True)))


def read_and_scored(clips: Sequence[Clip], search: LexiconSearch, each: Sequence[Tensor], beam: int):
    """Word errors of a search's texts."""
    return scored(clips, read(search, each, beam))


def shuffled_lexicon(lexicon: Lexicon, seed: int) -> Lexicon:
    """The control: every word gets the pronunciations of another one."""
    words = list(lexicon.variants)
    random.Random(seed).shuffle(others := list(words))
    pairs = zip(words, others, strict=True)
    return Lexicon({word: lexicon.variants[other] for word, other in pairs}, lexicon.mark)


def language_models(texts: Sequence[list[str]], orders: Sequence[int]) -> dict:
    """Name -> language model."""
    counted = {f"{order}-gram": CountedWordStates(CountedWords(texts, order)) for order in orders}
    return {"lexicon alone": NoLanguage()} | counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a reader of phonemes, visemes or characters by CTC")
    parser.add_argument("--perfect", choices=("phoneme", "viseme"), help="instead: every unit is seen")
    parser.add_argument("--errors", type=float, default=0.0, metavar="P", help="with --perfect: units taken for others")
    parser.add_argument("--dev", required=True, metavar="JSONL")
    parser.add_argument("--test", required=True, metavar="JSONL")
    parser.add_argument("--texts", required=True, metavar="FILE", help="lines that n-grams are counted from")
    parser.add_argument("--lexicon", default="", metavar="FILE", help="its words (the model's own)")
    parser.add_argument("--dictionary", nargs="+", default=["cmu", "espeak"], metavar="NAME")
    parser.add_argument("--orders", nargs="+", type=int, default=[1, 3], metavar="N")
    parser.add_argument("--beam", type=int, default=100)
    parser.add_argument("--shuffle", action="store_true", help="the control: pronunciations dealt among the words")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dev, test = read_manifest(args.dev), read_manifest(args.test)
    held_out = {lower(clip.text) for clip in (*dev, *test)}
    lines = [lower(line) for _, line in read_lines(args.texts)]
    texts = [line.split() for line in lines if line and line not in held_out]
    print(f"{len(texts)} lines of text; {len(lines) - len(texts)} left out that dev or test hold")
    if args.perfect:
        words = [line for _, line in read_lines(args.lexicon)]
        tokenizer = units_tokenizer(UnitSettings(args.perfect, dictionary=tuple(args.dictionary)), words)
        log_probs = [perfect(clips, tokenizer, args.errors, number) for number, clips in enumerate((dev, test))]
    else:
        loaded = load_model(args.model)
        tokenizer, log_probs = loaded.tokenizer, [posteriors(loaded, clips) for clips in (dev, test)]
        paths = {clip.id: {"text": tokenizer.decode(greedy(clip_log_probs).tokens), "unit": tokenizer.unit}
                 for clip, clip_log_probs in zip(test, log_probs[1], strict=True)}  # fmt: skip
        if tokenizer.unit == "text":
            print(f"greedy: {scored(test, [record['text'] for record in paths.values()])[0]}")
        for unit in ("phoneme", "viseme") if tokenizer.unit != "viseme" else ("viseme",):
            print(f"greedy: {score_units({clip.id: clip.text for clip in test}, paths, unit, args.dictionary)[0]}")
    lexicon = lexicon_for(tokenizer, args.lexicon)
    lexicon = shuffled_lexicon(lexicon, 0) if args.shuffle else lexicon
    rows = {}
    for name, language in language_models(texts, args.orders).items():
        weights = WEIGHTS if name != "lexicon alone" else (0.0,)
        on_dev = {
            (weight, bonus): read_and_scored(
                dev, LexiconSearch(lexicon, language, weight, bonus), log_probs[0], args.beam
            )
            for weight in weights
            for bonus in BONUSES
        }
        on_dev = {key: total.wer for key, (total, _) in on_dev.items()}
        best = min(on_dev, key=lambda setting: on_dev[setting])
        rows[name] = read_and_scored(test, LexiconSearch(lexicon, language, *best), log_probs[1], args.beam)
        print(
            f"{name}: weight {best[0]:g}, bonus {best[1]:g}, dev {on_dev[best]:.2%}; test {rows[name][0]}", flush=True
        )
    print(*gains({name: scores for name, (_, scores) in rows.items()}, pairwise(rows)), sep="\n")


if __name__ == "__main__":
    main()
