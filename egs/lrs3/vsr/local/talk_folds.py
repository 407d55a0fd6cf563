"""Hypotheses of several systems for the same talks, dealt into folds by talk."""

import argparse
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.decoding.combination import Reading
from vsr.decoding.combiner import Combiner, readings_of
from vsr.evaluation.combined import combination_figures
from vsr.evaluation.wer import read_hypotheses, read_records
from vsr.text.normalise import lower


@dataclass(frozen=True)
class Members:
    """Utterance id -> text of each system, by ``names``; the systems' readings of it; its true text."""

    names: Sequence[str]
    texts: list[dict[str, str]]
    readings: dict[str, list[Reading]]
    references: dict[str, str]

    @classmethod
    def read(cls, paths: Sequence[str], references: str) -> "Members":
        """JSON Lines of systems, the best first, and of references. Raises VsrError."""
        files = [read_records(path) for path in paths]
        texts = [{key: record["text"] for key, record in file.items()} for file in files]
        return cls(paths, texts, readings_of(files, paths, lower), read_hypotheses(references))

    def of(self, keys: Sequence[str]) -> "Members":
        """Some utterances alone."""
        texts = [{key: text[key] for key in keys} for text in self.texts]
        parts = ({key: known[key] for key in keys} for known in (self.readings, self.references))
        return Members(self.names, texts, *parts)

    def lines(self, records: Sequence[dict], normaliser: str = "lower") -> list[str]:
        """Figures of combined records of these utterances."""
        return combination_figures(self.references, self.texts, records, normaliser).lines(self.names)


def talks_of(keys: Sequence[str], pattern: str) -> dict[str, str]:
    """Utterance id -> its talk: the first group of ``pattern`` in the id."""
    return {key: re.search(pattern, key).group(1) for key in keys}


def split(talks: Mapping[str, str], fold: int, folds: int, salt: str) -> tuple[list[str], list[str]]:
    """Utterances of the other folds, and of this one; ``salt``: another way to deal the talks."""
    in_fold = {key: zlib.crc32(f"{salt}{talk}".encode()) % folds == fold for key, talk in talks.items()}
    return [key for key in talks if not in_fold[key]], [key for key in talks if in_fold[key]]


def weights_line(fitted: Combiner) -> str:
    """The weights in use, for people."""
    pairs = zip(fitted.names, fitted.weights_in_use, strict=True)
    return "  " + ", ".join(f"{name} {weight:.2f}" for name, weight in pairs)


def members_parser(doc: str | None, folds: int, salt: str) -> argparse.ArgumentParser:
    """A parser with the options of `Members` and its folds; the shape of the program's docstring is kept."""
    options = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("hypotheses", nargs="+", metavar="JSONL")
    options.add_argument("--ref", required=True, metavar="JSONL")
    options.add_argument("--group", required=True, metavar="REGEX", help="whose first group in the id names the talk")
    options.add_argument("--folds", type=int, default=folds, help="(default: %(default)s)")
    options.add_argument("--salt", default=salt, help="another one deals the talks otherwise (default: '%(default)s')")
    return options
