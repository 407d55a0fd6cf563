"""N-grams of an ARPA or KenLM binary file in the search, over words or over the tokenizer's pieces.

A file that contains a piece with SentencePiece's mark ("\u2581the", or "\u2581" for the space between characters) is
over pieces. Any other file is over words, and a word is scored when the next word starts or the text ends. If the file
allows no other words (a grammar), `vsr.decoding.lookahead` scores a word while it is spelled. KenLM has no batched
query, so this loops over hypotheses, with one query per hypothesis and step for words.
Shapes: B utterances, K hypotheses of each, C candidates of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vsr.core.errors import VsrError
from vsr.decoding.lookahead import ClosedSearch
from vsr.decoding.ngram_file import DAMAGED, check_ngram
from vsr.decoding.ngram_search import LN10, NGramSearch, Place
from vsr.decoding.vocabulary import Vocabulary, spellings, words_of
from vsr.text.tokenizer import MARK, SPACE, Tokenizer

END = "</s>"
NEVER = -90 * LN10  # ARPA files write -99 for impossible events, and KenLM gives -100 to unknown words
UNHEARD = "\ue000"  # a private-use character, which is in no vocabulary
INSTALL = "n-grams need KenLM's Python module: pip install ufal-kenlm (or kenlm, which is built from source)"


class NGram:
    """An n-gram file that scores the tokens of a tokenizer.

    Raises:
        VsrError: bad_config when KenLM is missing or cannot read the file.
    """

    def __init__(self, path: str, tokenizer: Tokenizer):
        self.model, self.kenlm = read_ngram(path)
        self.pieces = tokenizer.pieces(range(tokenizer.eos_id + 1))
        marked = (piece.replace(SPACE, MARK) for piece in self.pieces)
        self.over_words = not any(MARK in piece and piece in self.model for piece in marked)
        self._spelling: dict[str, str] = {}
        self.closed: Vocabulary | None = self._vocabulary(path, tokenizer) if self.over_words else None

    def _vocabulary(self, path: str, tokenizer: Tokenizer) -> Vocabulary | None:
        """The closed vocabulary of the file; None where it gives unknown words a probability."""
        empty = self.kenlm.State()
        self.model.NullContextWrite(empty)
        if self._query(empty, UNHEARD)[1] > NEVER:
            return None
        spelling = spellings(words_of(path, self.model), tokenizer)
        if not spelling:
            raise VsrError("bad_config", f"{path}: not one of its words can be written with the lip reader's tokens")
        self._spelling.update(spelling)
        return Vocabulary(spelling, self.pieces)

    def begin(self) -> Place:
        """The place before the first token."""
        state = self.kenlm.State()
        self.model.BeginSentenceWrite(state)
        return Place(state)

    def scores(self, place: Place, tokens: Sequence[int]) -> list[float]:
        """Log-probability that the text ends at ``place``, then the log-probability that each of ``tokens`` adds."""
        state, added = self._finished(place)
        end = added + self._query(state, END)[1]
        if self.over_words:
            return [end, *(added if self._opens(token) else 0.0 for token in tokens)]
        return [end, *(self._query(state, self._unit(token))[1] for token in tokens)]

    def after(self, place: Place, token: int) -> Place:
        """The place after ``token``."""
        if not self.over_words:
            return Place(self._query(place.state, self._unit(token))[0])
        piece = self.pieces[token]
        if not self._opens(token):
            return Place(place.state, place.word + piece)
        return Place(self._finished(place)[0], piece.removeprefix(MARK).strip())

    def sentence(self, tokens: Sequence[int]) -> float:
        """Log-probability of a whole text including its end."""
        place, total = self.begin(), 0.0
        for token in tokens:
            total += self.scores(place, [token])[1]
            place = self.after(place, token)
        return total + self.scores(place, [])[0]

    def sentences(self, texts: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each text including its end."""
        return [self.sentence(tokens) for tokens in texts]

    def start(self, utterances: int, device: torch.device) -> NGramSearch:
        """The state of one search."""
        return (ClosedSearch if self.closed else NGramSearch)(self, utterances, device)

    def _opens(self, token: int) -> bool:
        return self.pieces[token].startswith((MARK, SPACE))

    def _unit(self, token: int) -> str:
        return self.pieces[token].replace(SPACE, MARK)

    def _finished(self, place: Place) -> tuple[Any, float]:
        """State after the word in progress, and its log-probability; 0 where no word has begun."""
        return self._query(place.state, self.in_file(place.word)) if place.word else (place.state, 0.0)

    def in_file(self, word: str) -> str:
        """The word in the letter case of the file, since pieces may be upper case and the file lower case."""
        if word not in self._spelling:
            forms = [form for form in (word, word.lower(), word.upper()) if form in self.model]
            self._spelling[word] = forms[0] if forms else word
        return self._spelling[word]

    def _query(self, state, unit: str) -> tuple[Any, float]:
        after = self.kenlm.State()
        return after, self.model.BaseScore(state, unit, after) * LN10


def read_ngram(path: str):
    """KenLM's model of a file, and the kenlm module. Raises VsrError."""
    check_ngram(path)
    try:
        import kenlm
    except ImportError as error:
        raise VsrError("bad_config", INSTALL) from error
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), config), kenlm
    except (OSError, RuntimeError) as error:
        raise VsrError("bad_config", f"{path} {DAMAGED}") from error
