"""The one frozen set of search options, and, by the name that it has here, what a search returns."""

from __future__ import annotations

from dataclasses import dataclass

from vsr.core.errors import VsrError
from vsr.core.numbers import SHARE, Range, check_numbers
from vsr.text.hypothesis import Hypothesis

__all__ = ["METHODS", "DecodeOptions", "Hypothesis"]

METHODS = ("joint", "attention", "ctc_beam", "ctc_greedy", "lexicon")
WIDEST = 1000  # beam; published searches take 40
WEIGHT = Range(least=0, most=1000)
BONUS = Range(least=-1000, most=1000)
LENGTHS = Range(above=0, most=10)  # tokens for each frame; CTC has no room for more than one


@dataclass(frozen=True)
class DecodeOptions:
    """How to search.

    Args:
        method: joint (CTC and attention), attention (the decoder alone, ranked by the mean over tokens), ctc_beam,
            ctc_greedy, lexicon (CTC over the words of a lexicon).
        beam: hypotheses kept for each utterance.
        ctc_weight: w of the joint score w * CTC + (1 - w) * attention.
        length_bonus: added for each token, by the method "lexicon" for each word.
        nbest: hypotheses returned.
        max_length_ratio: greatest number of tokens for each video frame.
        lm: folder of a language model that joins the joint search; "" for none.
        lm_weight: of its log-probability, which is added to the joint score (shallow fusion).
        ngram: ARPA or KenLM binary file that joins it too.
        ngram_weight: of its log-probability.
        hotwords: file of words and phrases that are expected, which bias it.
        hotwords_weight: added for each letter of a phrase.
        lexicon: file of words, with pronunciations or without, that the method "lexicon" searches; "": the words that
            the tokenizer of phonemes or visemes was made of.
        head: the head that is searched by itself in place of CTC and attention, such as a translation; "": none is.
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
        if self.method not in METHODS:
            raise VsrError("bad_config", f"unknown decoding method '{self.method}'; known: {', '.join(METHODS)}")
        if not 1 <= self.nbest <= self.beam <= WIDEST:
            problem = f"beam {self.beam} and nbest {self.nbest}: need 1 <= nbest <= beam <= {WIDEST}"
            raise VsrError("bad_config", problem)
        # Below 0 a language model's extension could gain, and the search would stop too early.
        check_numbers(
            self, ctc_weight=SHARE, length_bonus=BONUS, max_length_ratio=LENGTHS,
            lm_weight=WEIGHT, ngram_weight=WEIGHT, hotwords_weight=WEIGHT,
        )  # fmt: skip
        if self.head and (self.method != "joint" or self.lm or self.ngram or self.hotwords or self.lexicon):
            problem = "language models, hotwords, lexicons and methods are of the usual search: leave them or head out"
            raise VsrError("bad_config", problem)
        if self.method == "lexicon":
            if self.lm or self.hotwords:
                problem = "n-grams alone join the method 'lexicon', not a neural language model or hotwords"
                raise VsrError("bad_config", problem)
            return
        if self.lexicon:
            raise VsrError("bad_config", f"a lexicon works only with the method 'lexicon', not '{self.method}'")
        if self.method != "joint" and (self.lm or self.ngram or self.hotwords):
            raise VsrError("bad_config", f"language models and hotwords join the method 'joint', not '{self.method}'")
