#!/usr/bin/env python3
"""The same candidates for every clip, chosen by n-grams, by a language model without fine-tuning, and by restorers.

    local/llm_rows.py --model exp/phonemes --dev data/crops/dev/manifest.jsonl --test data/crops/test/manifest.jsonl \\
        --texts texts.txt --lexicon words.txt --llm SmolLM2 --restorers noise=exp/llm_text/model clean=exp/clean/model

Candidates: the best texts of the lexicon search alone, with unigrams and with 3-grams. Score: the best CTC path through
a text's pronunciations + weight * log-probability + bonus for each word; weight and bonus of each by dev, test once.
Control: each restorer is also shown what was read of another clip (--shuffle). --perfect as lexicon_rows.py.
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
from vsr.decoding.restoring import seen, units_read
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, NoLanguage
from vsr.evaluation.rows import gains
from vsr.modelstore.folder import load_model
from vsr.text.normalise import lower
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer

WEIGHTS, BONUSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5), (-1.0, 0.0, 1.0, 2.0, 4.0)
Scorer = Callable[[str, list[tuple[str, ...]]], list[float]]  # (what was read, texts) -> log-probabilities


def candidates(log_probs, tokenizer, searches: Sequence[LexiconSearch], beam: int, count: int):
    """Texts (words) of one clip with the log-probability of their best paths."""
    texts = dict.fromkeys(own.words for search in searches for own in search.run(log_probs, beam, count))
    found = {words: seen(log_probs.numpy(), words, tokenizer) for words in texts}
    return {words: own for words, own in found.items() if math.isfinite(own)} or {(): 0.0}


def chosen(each, known, weight: float, bonus: float) -> list[str]:
    """The best text of each clip."""
    return [
        " ".join(max(own, key=lambda words: (own[words] + weight * values[words] + bonus * len(words), words)))
        for own, values in zip(each, known, strict=True)
    ]


def values_of(scorer: Scorer, lines: Sequence[str], each) -> list[dict]:
    """Log-probability of each candidate of each clip."""
    return [dict(zip(own, scorer(line, list(own)), strict=True)) for line, own in zip(lines, each, strict=True)]


def oracle(clips: Sequence[Clip], each) -> float:
    """Word error rate of the best candidates."""
    total = [0, 0]
    for clip, own in zip(clips, each, strict=True):
        rows = [scored([clip], [" ".join(words)])[1][0] for words in own]
        total[0] += min(row.errors for row in rows)
        total[1] += rows[0].words
    return total[0] / total[1]


def keep_readings(path: str, clips: Sequence[Clip], lines: Sequence[str]) -> None:
    """JSON Lines of what was read, as `vsr decode` writes them."""
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
    held = {lower(clip.text) for clips in lists for clip in clips}
    texts = [own.split() for _, line in read_lines(args.texts) if (own := lower(line)) and own not in held]
    if args.perfect:
        words = [line for _, line in read_lines(args.lexicon)]
        tokenizer = units_tokenizer(UnitSettings(args.perfect), words)
        read = [perfect(clips, tokenizer, args.errors, number) for number, clips in enumerate(lists)]
    else:
        loaded = load_model(args.model)
        tokenizer, read = loaded.tokenizer, [posteriors(loaded, clips) for clips in lists]
    if args.readings:
        return keep_readings(args.readings, lists[0], [units_read(own, tokenizer, "viseme") for own in read[0]])
    lexicon = lexicon_for(tokenizer, args.lexicon)
    grams = {f"{order}-grams": CountedWords(texts, order) for order in (1, 3)}
    searches = [LexiconSearch(lexicon, NoLanguage())]
    searches += [LexiconSearch(lexicon, CountedWordStates(own), 0.6) for own in grams.values()]
    each = [[candidates(own, tokenizer, searches, args.beam, args.candidates) for own in part] for part in read]
    print(f"{sum(map(len, each[1])) / len(each[1]):.1f} candidates a clip, oracle {oracle(lists[1], each[1]):.2%}")
    scorers: dict[str, tuple[str, Scorer]] = {"lips alone": ("viseme", lambda line, own: [0.0] * len(own))}
    for name, counted in grams.items():
        scorers[name] = ("viseme", lambda line, own, counted=counted: counted.texts(own))
    if args.llm:
        plain = load_text_model(args.llm)
        scorers["LLM as it is"] = ("viseme", lambda line, own: plain.sentences(own))
    for name, _, folder in (own.partition("=") for own in args.restorers):
        restorer = load_restorer(folder)
        scorers[name] = restorer.settings.input, lambda line, own, r=restorer: r.log_probs([line], own)
    rows = {}
    for name, (unit, scorer) in scorers.items():
        lines = [[units_read(own, tokenizer, unit) for own in part] for part in read]
        rows[name] = row(name, scorer, lines, each, lists)
        if args.shuffle and name in {own.partition("=")[0] for own in args.restorers}:
            moved = [own[1:] + own[:1] for own in lines]
            rows[f"{name}, another clip's reading"] = row(f"{name}, another clip's reading", scorer, moved, each, lists)
    print(*gains({name: own[1] for name, own in rows.items()}, combinations(rows, 2)), sep="\n")


def row(name: str, scorer: Scorer, lines, each, lists):
    """Weight and bonus by dev; the score of test, printed."""
    known = [values_of(scorer, *own) for own in zip(lines, each, strict=True)]
    tried = {
        (weight, bonus): scored(lists[0], chosen(each[0], known[0], weight, bonus))[0].wer
        for weight in WEIGHTS for bonus in BONUSES
    }  # fmt: skip
    best = min(tried, key=lambda own: tried[own])
    found = scored(lists[1], chosen(each[1], known[1], *best))
    print(f"{name}: weight {best[0]:g}, bonus {best[1]:g}, dev {tried[best]:.2%}; test {found[0]}", flush=True)
    return found


if __name__ == "__main__":
    main()
