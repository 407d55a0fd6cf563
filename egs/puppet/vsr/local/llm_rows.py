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
from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from lexicon_rows import perfect, posteriors, scored

from vsr.core.files import read_lines, write_lines
from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.lexicon import lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.llm import load_text_model
from vsr.decoding.restorer_folder import load_restorer
from vsr.decoding.restoring import units_read, visual_log_prob
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, NoLanguage
from vsr.evaluation.comparison_rows import gains
from vsr.modelstore.folder import load_model
from vsr.text.normalise import lower
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer

WEIGHTS, BONUSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5), (-1.0, 0.0, 1.0, 2.0, 4.0)
Scorer = Callable[[str, list[tuple[str, ...]]], list[float]]  # (read units, texts) -> log-probabilities


def candidates(log_probs, tokenizer, searches: Sequence[LexiconSearch], beam: int, count: int):
    """Candidate texts (words) of one clip with the log-probability of their best paths."""
    texts = dict.fromkeys(hypothesis.words for search in searches for hypothesis in search.run(log_probs, beam, count))
    path_scores = {words: visual_log_prob(log_probs.numpy(), words, tokenizer) for words in texts}
    return {words: path_score for words, path_score in path_scores.items() if math.isfinite(path_score)} or {(): 0.0}


def best_texts(each, known, weight: float, bonus: float) -> list[str]:
    """The best text of each clip."""
    return [
        " ".join(
            max(candidates, key=lambda words: (candidates[words] + weight * values[words] + bonus * len(words), words))
        )
        for candidates, values in zip(each, known, strict=True)
    ]


def values_of(scorer: Scorer, lines: Sequence[str], each) -> list[dict]:
    """Log-probability of each candidate of each clip."""
    return [
        dict(zip(candidates, scorer(line, list(candidates)), strict=True))
        for line, candidates in zip(lines, each, strict=True)
    ]


def oracle(clips: Sequence[Clip], each) -> float:
    """Word error rate of the best candidate of each clip."""
    total = [0, 0]
    for clip, candidates in zip(clips, each, strict=True):
        rows = [scored([clip], [" ".join(words)])[1][0] for words in candidates]
        total[0] += min(row.errors for row in rows)
        total[1] += rows[0].words
    return total[0] / total[1]


def write_readings(path: str, clips: Sequence[Clip], lines: Sequence[str]) -> None:
    """Write the read units as JSON Lines, in the format of `vsr decode`."""
    pairs = zip(clips, lines, strict=True)
    write_lines(path, (json.dumps({"id": clip.id, "text": line}) for clip, line in pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a reader of phonemes or visemes by CTC")
    parser.add_argument("--perfect", choices=("phoneme", "viseme"), help="instead: every unit is seen")
    parser.add_argument("--errors", type=float, default=0.0, metavar="P", help="with --perfect: units taken for others")
    parser.add_argument("--readings", metavar="JSONL", help="only: write the greedy units of dev, for data.noise")
    parser.add_argument("--dev", required=True, metavar="JSONL")
    parser.add_argument("--test", required=True, metavar="JSONL")
    parser.add_argument("--texts", required=True, metavar="FILE")
    parser.add_argument("--lexicon", required=True, metavar="FILE")
    parser.add_argument("--llm", metavar="DIR", help="a causal language model as it is")
    parser.add_argument("--restorers", nargs="*", default=[], metavar="NAME=DIR")
    parser.add_argument("--beam", type=int, default=60)
    parser.add_argument("--candidates", type=int, default=12, help="of each search")
    parser.add_argument("--shuffle", action="store_true", help="also: restorers shown another clip's reading")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lists = [read_manifest(args.dev), read_manifest(args.test)]
    held_out = {lower(clip.text) for clips in lists for clip in clips}
    texts = [text.split() for _, line in read_lines(args.texts) if (text := lower(line)) and text not in held_out]
    if args.perfect:
        words = [line for _, line in read_lines(args.lexicon)]
        tokenizer = units_tokenizer(UnitSettings(args.perfect), words)
        log_probs = [perfect(clips, tokenizer, args.errors, number) for number, clips in enumerate(lists)]
    else:
        loaded = load_model(args.model)
        tokenizer, log_probs = loaded.tokenizer, [posteriors(loaded, clips) for clips in lists]
    if args.readings:
        return write_readings(
            args.readings,
            lists[0],
            [units_read(clip_log_probs, tokenizer, "viseme") for clip_log_probs in log_probs[0]],
        )
    lexicon = lexicon_for(tokenizer, args.lexicon)
    models = {f"{order}-grams": CountedWords(texts, order) for order in (1, 3)}
    searches = [LexiconSearch(lexicon, NoLanguage())]
    searches += [LexiconSearch(lexicon, CountedWordStates(model), 0.6) for model in models.values()]
    pools = [
        [candidates(clip_log_probs, tokenizer, searches, args.beam, args.candidates) for clip_log_probs in part]
        for part in log_probs
    ]
    print(f"{sum(map(len, pools[1])) / len(pools[1]):.1f} candidates a clip, oracle {oracle(lists[1], pools[1]):.2%}")
    scorers: dict[str, tuple[str, Scorer]] = {"lips alone": ("viseme", lambda line, texts: [0.0] * len(texts))}
    for name, model in models.items():
        scorers[name] = ("viseme", lambda line, texts, model=model: model.texts(texts))
    if args.llm:
        plain = load_text_model(args.llm)
        scorers["LLM as it is"] = ("viseme", lambda line, texts: plain.sentences(texts))
    for name, _, folder in (argument.partition("=") for argument in args.restorers):
        restorer = load_restorer(folder)
        scorers[name] = restorer.settings.input, lambda line, texts, r=restorer: r.log_probs([line], texts)
    rows = {}
    for name, (unit, scorer) in scorers.items():
        lines = [[units_read(clip_log_probs, tokenizer, unit) for clip_log_probs in part] for part in log_probs]
        rows[name] = row(name, scorer, lines, pools, lists)
        if args.shuffle and name in {argument.partition("=")[0] for argument in args.restorers}:
            shifted = [list_lines[1:] + list_lines[:1] for list_lines in lines]
            rows[f"{name}, another clip's reading"] = row(
                f"{name}, another clip's reading", scorer, shifted, pools, lists
            )
    print(*gains({name: result[1] for name, result in rows.items()}, combinations(rows, 2)), sep="\n")


def row(name: str, scorer: Scorer, lines, each, lists):
    """Choose weight and bonus on dev; print and return the scores of test."""
    values = [values_of(scorer, *arguments) for arguments in zip(lines, each, strict=True)]
    dev_wer = {
        (weight, bonus): scored(lists[0], best_texts(each[0], values[0], weight, bonus))[0].wer
        for weight in WEIGHTS for bonus in BONUSES
    }  # fmt: skip
    best = min(dev_wer, key=lambda setting: dev_wer[setting])
    result = scored(lists[1], best_texts(each[1], values[1], *best))
    print(f"{name}: weight {best[0]:g}, bonus {best[1]:g}, dev {dev_wer[best]:.2%}; test {result[0]}", flush=True)
    return result


if __name__ == "__main__":
    main()
