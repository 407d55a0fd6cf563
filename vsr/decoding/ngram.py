"""N-grams of an ARPA or KenLM binary file in the search, over words or over the tokenizer's pieces.

A file that knows a piece with SentencePiece's mark ("\u2581the", or "\u2581" for the space between characters) is over
pieces; any other is over words, and a word counts when the next one is opened or the text ends; where the file holds no
other words possible (a grammar), `vsr.decoding.lookahead` counts what a word will cost while it is spelled. KenLM has
no batched query, so this loops over hypotheses: of words, one query a hypothesis and step.
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
NEVER = -90 * LN10  # ARPA files write -99 for what does not occur, KenLM gives -100 to words that are not there
UNHEARD = "\ue000"  # a private character: in no vocabulary
INSTALL = "n-grams need KenLM's Python module: pip install ufal-kenlm (or kenlm, which is built from source)"


class NGram:
    """One file and the tokenizer whose tokens it scores.

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
        """The only words that the file holds possible; None where it gives unknown ones a probability."""
        nothing = self.kenlm.State()
        self.model.NullContextWrite(nothing)
        if self._query(nothing, UNHEARD)[1] > NEVER:
            return None
        spelled = spellings(words_of(path, self.model), tokenizer)
        if not spelled:
            raise VsrError("bad_config", f"{path}: not one of its words can be written with the lip reader's tokens")
        self._spelling.update(spelled)
        return Vocabulary(spelled, self.pieces)

    def begin(self) -> Place:
        """Before the first token."""
        state = self.kenlm.State()
        self.model.BeginSentenceWrite(state)
        return Place(state)

    def scores(self, place: Place, tokens: Sequence[int]) -> list[float]:
        """Log-probability that the text ends at ``place``, then what each of ``tokens`` there adds."""
        state, spent = self._finished(place)
        end = spent + self._query(state, END)[1]
        if self.over_words:
            return [end, *(spent if self._opens(token) else 0.0 for token in tokens)]
        return [end, *(self._query(state, self._unit(token))[1] for token in tokens)]

    def after(self, place: Place, token: int) -> Place:
        """The place one token on."""
        if not self.over_words:
            return Place(self._query(place.state, self._unit(token))[0])
        piece = self.pieces[token]
        if not self._opens(token):
            return Place(place.state, place.word + piece)
        return Place(self._finished(place)[0], piece.removeprefix(MARK).strip())

    def sentence(self, tokens: Sequence[int]) -> float:
        """Log-probability of a whole text with its end."""
        place, total = self.begin(), 0.0
        for token in tokens:
            total += self.scores(place, [token])[1]
            place = self.after(place, token)
        return total + self.scores(place, [])[0]

    def sentences(self, texts: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each text with its end."""
        return [self.sentence(tokens) for tokens in texts]

    def start(self, utterances: int, device: torch.device) -> NGramSearch:
        """The places of one search."""
        return (ClosedSearch if self.closed else NGramSearch)(self, utterances, device)

    def _opens(self, token: int) -> bool:
        return self.pieces[token].startswith((MARK, SPACE))

    def _unit(self, token: int) -> str:
        return self.pieces[token].replace(SPACE, MARK)

    def _finished(self, place: Place) -> tuple[Any, float]:
        """State after the word that has begun, and its log-probability; nothing when none has."""
        return self._query(place.state, self.in_file(place.word)) if place.word else (place.state, 0.0)

    def in_file(self, word: str) -> str:
        """The word in the case that the file has it in; pieces may be of capitals and the file not."""
        if word not in self._spelling:
            forms = [form for form in (word, word.lower(), word.upper()) if form in self.model]
            self._spelling[word] = forms[0] if forms else word
        return self._spelling[word]

    def _query(self, state, unit: str) -> tuple[Any, float]:
        after = self.kenlm.State()
        return after, self.model.BaseScore(state, unit, after) * LN10


def read_ngram(path: str):
    """KenLM's model of a file, and KenLM. Raises VsrError."""
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
