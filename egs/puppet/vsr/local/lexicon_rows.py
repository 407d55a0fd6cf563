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
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from unit_posteriors import add_reader, chosen_on_dev, recognised, scored, texts_outside

from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.ctc import greedy
from vsr.decoding.lexicon import Lexicon, lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, NoLanguage
from vsr.evaluation.comparison_rows import gains
from vsr.evaluation.units import score_units

WEIGHTS, BONUSES = (0.3, 0.6, 1.0, 1.5, 2.5), (0.0, 2.0, 4.0)
ALONE = "lexicon alone"


def read(search: LexiconSearch, each: Sequence[Tensor], beam: int) -> list[str]:
    """The best text of each clip."""
    results = (search.run(log_probs, beam, 1) for log_probs in each)
    return [" ".join(hypotheses[0].words) if hypotheses else "" for hypotheses in results]


def print_greedy(tokenizer, clips: Sequence[Clip], each: Sequence[Tensor], dictionary: Sequence[str]) -> None:
    """Error rates of greedy CTC, in words and in units."""
    texts = [tokenizer.decode(greedy(log_probs).tokens) for log_probs in each]
    if tokenizer.unit == "text":
        print(f"greedy: {scored(clips, texts)[0]}")
    read = {clip.id: {"text": text, "unit": tokenizer.unit} for clip, text in zip(clips, texts, strict=True)}
    for unit in ("phoneme", "viseme") if tokenizer.unit != "viseme" else ("viseme",):
        print(f"greedy: {score_units({clip.id: clip.text for clip in clips}, read, unit, dictionary)[0]}")


def shuffled_lexicon(lexicon: Lexicon, seed: int) -> Lexicon:
    """The control: every word gets the pronunciations of another one."""
    words = list(lexicon.variants)
    random.Random(seed).shuffle(others := list(words))
    pairs = zip(words, others, strict=True)
    return Lexicon({word: lexicon.variants[other] for word, other in pairs}, lexicon.mark)


def language_models(texts: Sequence[list[str]], orders: Sequence[int]) -> dict:
    """Name -> language model."""
    counted = {f"{order}-gram": CountedWordStates(CountedWords(texts, order)) for order in orders}
    return {ALONE: NoLanguage()} | counted


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_reader(options, "a reader of phonemes, visemes or characters by CTC")
    options.add_argument("--dev", required=True, metavar="JSONL")
    options.add_argument("--test", required=True, metavar="JSONL")
    options.add_argument("--texts", required=True, metavar="FILE", help="lines that n-grams are counted from")
    options.add_argument("--lexicon", default="", metavar="FILE", help="its words (the model's own)")
    options.add_argument("--dictionary", nargs="+", default=["cmu", "espeak"], metavar="NAME")
    options.add_argument("--orders", nargs="+", type=int, default=[1, 3], metavar="N")
    options.add_argument("--beam", type=int, default=100)
    options.add_argument("--shuffle", action="store_true", help="the control: pronunciations dealt among the words")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    lists = [read_manifest(args.dev), read_manifest(args.test)]
    texts, left_out = texts_outside(args.texts, lists)
    print(f"{len(texts)} lines of text; {left_out} left out that dev or test hold")
    tokenizer, log_probs = recognised(args, lists, args.dictionary)
    if not args.perfect:
        print_greedy(tokenizer, lists[1], log_probs[1], args.dictionary)
    lexicon = lexicon_for(tokenizer, args.lexicon)
    lexicon = shuffled_lexicon(lexicon, 0) if args.shuffle else lexicon
    rows = {}
    for name, language in language_models(texts, args.orders).items():

        def scores_with(place: int, weight: float, bonus: float, language=language):
            search = LexiconSearch(lexicon, language, weight, bonus)
            return scored(lists[place], read(search, log_probs[place], args.beam))

        rows[name] = chosen_on_dev(name, scores_with, (0.0,) if name == ALONE else WEIGHTS, BONUSES)
    print(*gains(rows, pairwise(rows)), sep="\n")


if __name__ == "__main__":
    main()
