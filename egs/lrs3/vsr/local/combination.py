#!/usr/bin/env python3
"""Gain of combining hypotheses on talks that its weights were not fitted on: cross-validation by talk.

    local/combination.py --ref ref.jsonl --group 'test/([^/]+)/' --llm SmolLM2-135M --scores exp/scores.json \\
        auto_avsr.jsonl vspllm_433h.jsonl avhubert_433h.jsonl vspllm_30h.jsonl avhubert_30h.jsonl

The members are given as to vsr combine, the best first. The weights of a fold are fitted on the other folds' talks;
each utterance is tested once. --scores stores the language model's log-probabilities for the next call; --shuffle fits
on the texts of other utterances (control).
"""

import argparse
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from vsr.core.files import read_json, write_json
from vsr.core.progress import count_items
from vsr.decoding.combiner import Combiner, readings_of
from vsr.decoding.llm import load_text_model
from vsr.decoding.word_ngram import words_of
from vsr.evaluation.combined import combination_figures
from vsr.evaluation.wer import read_hypotheses, read_records
from vsr.text.normalise import lower


class Kept:
    """Log-probabilities of texts, computed once and stored in a file."""

    def __init__(self, path: str, opened: Callable):
        self.path, self.opened, self.scorer = Path(path), opened, None
        self.known = read_json(self.path) if self.path.is_file() else {}

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Log-probability of each text (a list of words)."""
        keys = [" ".join(words) for words in texts]
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        if new:
            self.scorer = self.scorer or self.opened()
            self.known |= dict(zip(new, self.scorer([key.split() for key in new]), strict=True))
        return [self.known[key] for key in keys]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hypotheses", nargs="+", metavar="JSONL")
    parser.add_argument("--ref", required=True, metavar="JSONL")
    parser.add_argument("--group", required=True, metavar="REGEX", help="whose first group in the id names the talk")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--salt", default="", help="another way to deal the talks into folds")
    parser.add_argument("--lm", metavar="FILE", help="word n-grams, as vsr combine --lm")
    parser.add_argument("--llm", metavar="MODEL", help="causal language model, as vsr combine --llm")
    parser.add_argument("--scores", metavar="JSON", help="keeps those of --llm")
    parser.add_argument("--shuffle", action="store_true")
    args = parser.parse_args()
    files = [read_records(path) for path in args.hypotheses]
    readings, texts = readings_of(files, args.hypotheses, lower), read_hypotheses(args.ref)
    languages = {"lm": words_of(args.lm, lower).texts} if args.lm else {}
    cached_scores = Kept(args.scores or "", lambda: load_text_model(args.llm).sentences)
    combiner = Combiner(len(files), False, languages | ({"llm": cached_scores} if args.llm else {}))
    lattices = {
        key: combiner.lattice(candidates) for key, candidates in count_items(readings.items(), "scoring", len(readings))
    }
    if args.scores:
        write_json(args.scores, cached_scores.known)
    talks = {key: re.search(args.group, key).group(1) for key in lattices}
    fold = {key: zlib.crc32(f"{args.salt}{talk}".encode()) % args.folds for key, talk in talks.items()}
    members = [{key: record["text"] for key, record in file_records.items()} for file_records in files]
    keys = list(lattices)
    reference_of = dict(zip(keys, keys[1:] + keys[:1] if args.shuffle else keys, strict=True))
    records = []
    for number in range(args.folds):
        fit_keys, test_keys = ([key for key in keys if (fold[key] == number) is in_fold] for in_fold in (False, True))
        fitted = combiner.fitted(
            [lattices[key] for key in fit_keys], [lower(texts[reference_of[key]]).split() for key in fit_keys]
        )
        records += (combined := [fitted.record(key, lattices[key]) for key in test_keys])
        part = [{key: member[key] for key in test_keys} for member in members]
        print(
            f"fold {number}:",
            combination_figures({key: texts[key] for key in test_keys}, part, combined).lines(args.hypotheses)[-1],
        )
        print(
            "  " + ", ".join(f"{n} {v:.2f}" for n, v in zip(fitted.names, fitted.weights_in_use, strict=True)),
            flush=True,
        )
    for normaliser in ("lower", "whisper"):
        print(f"normaliser {normaliser}, {len(records)} utterances of {len(set(talks.values()))} talks")
        print(*combination_figures(texts, members, records, normaliser).lines(args.hypotheses), sep="\n")


if __name__ == "__main__":
    main()
