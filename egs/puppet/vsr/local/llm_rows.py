#!/usr/bin/env python3
"""The same candidates for every clip, ranked by n-grams, by a language model without fine-tuning, and by restorers.

    local/llm_rows.py --model exp/phonemes --dev data/crops/dev/manifest.jsonl --test data/crops/test/manifest.jsonl \\
        --texts texts.txt --lexicon words.txt --llm SmolLM2 --restorers noise=exp/llm_text/model clean=exp/clean/model

Candidates: the best texts of the lexicon search without language model, with unigrams and with 3-grams. Score: the best
CTC path through a text's pronunciations + weight * log-probability + bonus for each word; weight and bonus of each
scorer are chosen on dev, test is read once. Control: each restorer is also given the units of another clip (--shuffle).
--perfect as in lexicon_rows.py.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from unit_posteriors import add_reader, chosen_on_dev, recognised, scored, texts_outside

from vsr.core.files import write_lines
from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.lexicon import lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.llm import load_text_model
from vsr.decoding.restorer_folder import load_restorer
from vsr.decoding.restoring import units_read, visual_log_prob
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, NoLanguage
from vsr.evaluation.comparison_rows import gains
from vsr.evaluation.wer import UtteranceScore
from vsr.text.tokenizer import Tokenizer
from vsr.text.unit_tokenizers import UnitSettings

WEIGHTS, BONUSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5), (-1.0, 0.0, 1.0, 2.0, 4.0)
Words = tuple[str, ...]
Pool = dict[Words, float]  # candidate -> log-probability, of its best path or as language
Scorer = Callable[[str, list[Words]], list[float]]  # (read units, texts) -> log-probabilities


def candidates(log_probs: Tensor, tokenizer, searches: Sequence[LexiconSearch], beam: int, count: int) -> Pool:
    """Candidate texts of one clip: ``count`` of each search."""
    texts = dict.fromkeys(hypothesis.words for search in searches for hypothesis in search.run(log_probs, beam, count))
    path_scores = {words: visual_log_prob(log_probs.numpy(), words, tokenizer) for words in texts}
    return {words: path_score for words, path_score in path_scores.items() if math.isfinite(path_score)} or {(): 0.0}


def best_texts(pools: Sequence[Pool], known: Sequence[Pool], weight: float, bonus: float) -> list[str]:
    """The best text of each clip; ``known``: log-probabilities of the candidates as language."""
    return [best_text(pool, values, weight, bonus) for pool, values in zip(pools, known, strict=True)]


def best_text(pool: Pool, values: Pool, weight: float, bonus: float) -> str:
    """The candidate of the highest score; of equals the last in alphabetical order."""

    def score(words: Words) -> float:
        return pool[words] + weight * values[words] + bonus * len(words)

    return " ".join(max(pool, key=lambda words: (score(words), words)))


def values_of(scorer: Scorer, lines: Sequence[str], pools: Sequence[Pool]) -> list[Pool]:
    """Log-probability of each candidate of each clip."""
    pairs = [(list(pool), line) for pool, line in zip(pools, lines, strict=True)]
    return [dict(zip(texts, scorer(line, texts), strict=True)) for texts, line in pairs]


def oracle(clips: Sequence[Clip], pools: Sequence[Pool]) -> float:
    """Word error rate of the best candidate of each clip."""
    errors = count = 0
    for clip, pool in zip(clips, pools, strict=True):
        scores = [scored([clip], [" ".join(words)])[1][0] for words in pool]
        errors += min(score.errors for score in scores)
        count += scores[0].words
    return errors / count


def write_readings(path: str, clips: Sequence[Clip], lines: Sequence[str]) -> None:
    """Write the read units as JSON Lines, in the format of `vsr decode`."""
    pairs = zip(clips, lines, strict=True)
    write_lines(path, (json.dumps({"id": clip.id, "text": line}) for clip, line in pairs))


@dataclass(frozen=True)
class Arm:
    """A way to rank: its scorer, the units that it is shown, and whether it is also shown those of another clip."""

    scorer: Scorer
    unit: str = "viseme"
    shuffled: bool = False


def arms(args: argparse.Namespace, models: dict[str, CountedWords]) -> dict[str, Arm]:
    """Name -> arm: the lips alone, n-grams, a language model, restorers."""
    named = {"lips alone": Arm(lambda line, texts: [0.0] * len(texts))}
    named |= {name: Arm(lambda line, texts, model=model: model.texts(texts)) for name, model in models.items()}
    if args.llm:
        plain = load_text_model(args.llm)
        named["LLM as it is"] = Arm(lambda line, texts: plain.sentences(texts))
    for argument in args.restorers:
        name, _, folder = argument.partition("=")
        named[name] = restoring_arm(folder, args.shuffle)
    return named


def restoring_arm(folder: str, shuffled: bool) -> Arm:
    """The arm of a restorer."""
    restorer = load_restorer(folder)
    return Arm(lambda line, texts: restorer.log_probs([line], texts), restorer.settings.input, shuffled)


@dataclass(frozen=True)
class Ranking:
    """Ranks the candidates of dev and test, with what the reader sees in their clips."""

    tokenizer: Tokenizer
    lists: list[list[Clip]]
    log_probs: list[list[Tensor]]
    pools: list[list[Pool]]

    def of(self, name: str, arm: Arm) -> dict[str, list[UtteranceScore]]:
        """Row -> scores of test by an arm, and by its control."""
        lines = [self.lines(place, arm.unit) for place in (0, 1)]
        rows = {name: self.scores(name, arm.scorer, lines)}
        if arm.shuffled:
            control = f"{name}, another clip's reading"
            rows[control] = self.scores(control, arm.scorer, [each[1:] + each[:1] for each in lines])
        return rows

    def lines(self, place: int, unit: str) -> list[str]:
        """The units read from each clip of a list."""
        return [units_read(clip_log_probs, self.tokenizer, unit) for clip_log_probs in self.log_probs[place]]

    def scores(self, name: str, scorer: Scorer, lines: list[list[str]]) -> list[UtteranceScore]:
        """Scores of test with the weight and bonus chosen on dev."""
        values = [values_of(scorer, *pair) for pair in zip(lines, self.pools, strict=True)]

        def scores_with(place: int, weight: float, bonus: float):
            return scored(self.lists[place], best_texts(self.pools[place], values[place], weight, bonus))

        return chosen_on_dev(name, scores_with, WEIGHTS, BONUSES)


def pools_of(log_probs: list[list[Tensor]], tokenizer, models: dict[str, CountedWords], args) -> list[list[Pool]]:
    """Candidates of each clip of each list, by searches without and with n-grams."""
    lexicon = lexicon_for(tokenizer, args.lexicon)
    searches = [LexiconSearch(lexicon, NoLanguage())]
    searches += [LexiconSearch(lexicon, CountedWordStates(model), 0.6) for model in models.values()]
    return [[candidates(each, tokenizer, searches, args.beam, args.candidates) for each in part] for part in log_probs]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_reader(options, "a reader of phonemes or visemes by CTC")
    options.add_argument("--readings", metavar="JSONL", help="only: write the greedy units of dev, for data.noise")
    options.add_argument("--dev", required=True, metavar="JSONL")
    options.add_argument("--test", required=True, metavar="JSONL")
    options.add_argument("--texts", required=True, metavar="FILE")
    options.add_argument("--lexicon", required=True, metavar="FILE")
    options.add_argument("--llm", metavar="DIR", help="a causal language model as it is")
    options.add_argument("--restorers", nargs="*", default=[], metavar="NAME=DIR")
    options.add_argument("--beam", type=int, default=60)
    options.add_argument("--candidates", type=int, default=12, help="of each search")
    options.add_argument("--shuffle", action="store_true", help="also: restorers shown another clip's reading")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    lists = [read_manifest(args.dev), read_manifest(args.test)]
    texts, _ = texts_outside(args.texts, lists)
    tokenizer, log_probs = recognised(args, lists, UnitSettings.dictionary)
    if args.readings:
        return write_readings(args.readings, lists[0], [units_read(each, tokenizer, "viseme") for each in log_probs[0]])
    models = {f"{order}-grams": CountedWords(texts, order) for order in (1, 3)}
    pools = pools_of(log_probs, tokenizer, models, args)
    print(f"{sum(map(len, pools[1])) / len(pools[1]):.1f} candidates a clip, oracle {oracle(lists[1], pools[1]):.2%}")
    ranking, rows = Ranking(tokenizer, lists, log_probs, pools), {}
    for name, arm in arms(args, models).items():
        rows |= ranking.of(name, arm)
    print(*gains(rows, combinations(rows, 2)), sep="\n")
    return None


if __name__ == "__main__":
    main()
