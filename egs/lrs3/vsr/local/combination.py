#!/usr/bin/env python3
"""Gain of combining hypotheses on talks that its weights were not fitted on: cross-validation by talk.

    local/combination.py --ref ref.jsonl --group 'test/([^/]+)/' --llm SmolLM2-135M --scores exp/scores.json \\
        auto_avsr.jsonl vspllm_433h.jsonl avhubert_433h.jsonl vspllm_30h.jsonl avhubert_30h.jsonl

The members are given as to vsr combine, the best first. The weights of a fold are fitted on the other folds' talks;
each utterance is tested once. --scores stores the language model's log-probabilities for the next call; --shuffle fits
on the texts of other utterances (control).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from talk_folds import Members, members_parser, split, talks_of, weights_line

from vsr.core.files import read_json, write_json
from vsr.core.progress import count_items
from vsr.decoding.combination import Lattice
from vsr.decoding.combiner import Combiner
from vsr.decoding.llm import load_text_model
from vsr.decoding.word_ngram import words_of
from vsr.text.normalise import lower


class CachedScores:
    """Log-probabilities of texts, computed once and stored in a file."""

    def __init__(self, path: str, open_scorer: Callable):
        self.path, self.open_scorer, self.scorer = Path(path), open_scorer, None
        self.scores = read_json(self.path) if self.path.is_file() else {}

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Log-probability of each text (a list of words)."""
        keys = [" ".join(words) for words in texts]
        new = [key for key in dict.fromkeys(keys) if key not in self.scores]
        if new:
            self.scorer = self.scorer or self.open_scorer()
            self.scores |= dict(zip(new, self.scorer([key.split() for key in new]), strict=True))
        return [self.scores[key] for key in keys]


def lattices_of(members: Members, combiner: Combiner) -> dict[str, Lattice]:
    """The confusion network of each utterance, with the scores of the language models."""
    readings = members.readings
    return {key: combiner.lattice(each) for key, each in count_items(readings.items(), "scoring", len(readings))}


def following(keys: Sequence[str]) -> dict[str, str]:
    """Each utterance -> the next one."""
    return dict(zip(keys, [*keys[1:], *keys[:1]], strict=True))


def fitted_on(combiner: Combiner, lattices: dict[str, Lattice], references: dict[str, str]) -> Combiner:
    """The combiner with weights for the utterances of ``references`` (id -> text)."""
    return combiner.fitted([lattices[key] for key in references], [lower(text).split() for text in references.values()])


def parser() -> argparse.ArgumentParser:
    options = members_parser(__doc__, folds=5, salt="")
    options.add_argument("--lm", metavar="FILE", help="word n-grams, as vsr combine --lm")
    options.add_argument("--llm", metavar="MODEL", help="causal language model, as vsr combine --llm")
    options.add_argument("--scores", metavar="JSON", help="keeps those of --llm")
    options.add_argument("--shuffle", action="store_true")
    return options


def main() -> None:
    args = parser().parse_args()
    members = Members.read(args.hypotheses, args.ref)
    languages = {"lm": words_of(args.lm, lower).texts} if args.lm else {}
    scores = CachedScores(args.scores or "", lambda: load_text_model(args.llm).sentences)
    combiner = Combiner(len(members.names), False, languages | ({"llm": scores} if args.llm else {}))
    lattices = lattices_of(members, combiner)
    if args.scores:
        write_json(args.scores, scores.scores)
    talks = talks_of(list(lattices), args.group)
    source = following(list(lattices)) if args.shuffle else {key: key for key in lattices}
    records = []
    for fold in range(args.folds):
        fit_keys, test_keys = split(talks, fold, args.folds, args.salt)
        fitted = fitted_on(combiner, lattices, {key: members.references[source[key]] for key in fit_keys})
        combined = [fitted.record(key, lattices[key]) for key in test_keys]
        print(f"fold {fold}:", members.of(test_keys).lines(combined)[-1])
        print(weights_line(fitted), flush=True)
        records += combined
    for normaliser in ("lower", "whisper"):
        print(f"normaliser {normaliser}, {len(records)} utterances of {len(set(talks.values()))} talks")
        print(*members.lines(records, normaliser), sep="\n")


if __name__ == "__main__":
    main()
