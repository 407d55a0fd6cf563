"""The options of all searches, and `Hypothesis`, which they return."""

from __future__ import annotations

from dataclasses import dataclass

from vsr.core.errors import VsrError
from vsr.core.numbers import SHARE, Range, check_numbers, check_whole, make_plain
from vsr.text.hypothesis import Hypothesis

__all__ = ["METHODS", "DecodeOptions", "Hypothesis"]

METHODS = ("joint", "attention", "ctc_beam", "ctc_greedy", "lexicon")
LANGUAGES = ("lm", "lm_weight", "ngram", "ngram_weight", "hotwords", "hotwords_weight")
HEEDED = {  # method -> options that have an effect on it
    "joint": ("beam", "nbest", "ctc_weight", "length_bonus", "max_length_ratio", *LANGUAGES),
    "attention": ("beam", "nbest", "max_length_ratio"),
    "ctc_beam": ("beam", "nbest"),
    "ctc_greedy": (),
    "lexicon": ("beam", "nbest", "length_bonus", "lexicon", "ngram", "ngram_weight"),
}
FILES = ("lm", "ngram", "hotwords", "lexicon")
WIDEST = 1000  # beam; published searches take 40
WEIGHT = Range(least=0, most=1000)
BONUS = Range(least=-1000, most=1000)
LENGTHS = Range(above=0, most=10)  # tokens per frame; CTC has no room for more than one


def unheeded(method: str) -> dict[str, str]:
    """Options without effect on a method -> the methods that heed them."""
    names = dict.fromkeys(name for heeded in HEEDED.values() for name in heeded if name not in HEEDED[method])
    return {name: " or ".join(other for other in METHODS if name in HEEDED[other]) for name in names}


@dataclass(frozen=True)
class DecodeOptions:
    """Search options.

    Args:
        method: joint (CTC and attention), attention (the decoder alone, ranked by the mean over tokens), ctc_beam,
            ctc_greedy, lexicon (CTC over the words of a lexicon).
        beam: hypotheses kept per utterance.
        ctc_weight: w of the joint score w * CTC + (1 - w) * attention.
        length_bonus: added per token, with the method "lexicon" per word.
        nbest: hypotheses returned.
        max_length_ratio: maximum number of tokens per video frame.
        lm: folder of a language model for the joint search; "" for none.
        lm_weight: weight of its log-probability in the joint score (shallow fusion).
        ngram: ARPA or KenLM binary file, for the joint search too.
        ngram_weight: weight of its log-probability.
        hotwords: file of expected words and phrases, which bias the joint search.
        hotwords_weight: added per letter of a phrase.
        lexicon: file of words, with or without pronunciations, for the method "lexicon"; "": the words that
            the tokenizer of phonemes or visemes was made from.
        head: a head to search alone, instead of CTC and attention, such as a translation; "" for none.
    """

    method: str = "joint"
    beam: int = 10
    ctc_weight: float = 0.1
    length_bonus: float = 0.0
    nbest: int = 1
    max_length_ratio: float = 1.0
    lm: str = ""
    lm_weight: float = 0.3
    ngram: str = ""
    ngram_weight: float = 0.3
    hotwords: str = ""
    hotwords_weight: float = 0.5
    lexicon: str = ""
    head: str = ""

    def __post_init__(self):
        make_plain(self)
        for name in FILES:
            if not isinstance(getattr(self, name), str):
                raise VsrError("bad_options", f"{name} is {getattr(self, name)!r}: give a path, or '' for none")
        if self.method not in METHODS:
            raise VsrError("bad_options", f"unknown decoding method '{self.method}'; known: {', '.join(METHODS)}")
        check_whole("beam", self.beam, reason="bad_options")
        check_whole("nbest", self.nbest, reason="bad_options")
        if not 1 <= self.nbest <= self.beam <= WIDEST:
            problem = f"beam {self.beam} and nbest {self.nbest}: need 1 <= nbest <= beam <= {WIDEST}"
            raise VsrError("bad_options", problem)
        # Below 0 a language model's extension could gain, and the search would stop too early.
        check_numbers(
            self, reason="bad_options", ctc_weight=SHARE, length_bonus=BONUS, max_length_ratio=LENGTHS,
            lm_weight=WEIGHT, ngram_weight=WEIGHT, hotwords_weight=WEIGHT,
        )  # fmt: skip
        self._check_company()

    def _check_company(self) -> None:
        """Raises VsrError for a method, head, lexicon or language model that another one excludes."""
        if self.head and (self.method != "joint" or self.lm or self.ngram or self.hotwords or self.lexicon):
            problem = "language models, hotwords, lexicons and methods join the usual search: leave them or head out"
            raise VsrError("bad_options", problem)
        if self.method == "lexicon":
            if self.lm or self.hotwords:
                problem = "n-grams alone join the method 'lexicon', not a neural language model or hotwords"
                raise VsrError("bad_options", problem)
            return
        if self.lexicon:
            raise VsrError("bad_options", f"a lexicon works only with the method 'lexicon', not '{self.method}'")
        if self.method != "joint" and (self.lm or self.ngram or self.hotwords):
            raise VsrError("bad_options", f"language models and hotwords join the method 'joint', not '{self.method}'")
