"""Language models in the joint search (shallow fusion, Gulcehre et al. 2015): loading them, and the neural one.

A language model here is a `vsr.decoding.scorers.Language` with `sentences(texts)`.
Shapes: B utterances, K hypotheses of each, C candidates of each, V vocabulary.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.decoding.hotwords import Hotwords
from vsr.decoding.ngram import NGram
from vsr.decoding.options import DecodeOptions
from vsr.models.language import LanguageModel
from vsr.modelstore.folder import LoadedModel, load_language_model

SENTENCES_AT_ONCE = 64
_loading = threading.Lock()  # so that concurrent threads load the same model only once


class NeuralLanguage:
    """A transformer language model that scores texts and hypotheses."""

    def __init__(self, model: LanguageModel):
        self.model = model

    @torch.inference_mode()
    def sentences(self, texts: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each text including its end."""
        device = self.model.embed.weight.device
        log_probs: list[float] = []
        for first in range(0, len(texts), SENTENCES_AT_ONCE):
            sequences = [torch.tensor(text, dtype=torch.long) for text in texts[first : first + SENTENCES_AT_ONCE]]
            tokens = pad_sequence(sequences, batch_first=True, padding_value=IGNORE).to(device)
            log_probs += (-self.model.token_losses(tokens).cpu().double().sum(1)).tolist()
        return log_probs

    def start(self, utterances: int, device: torch.device) -> NeuralSearch:
        """The cache of one search."""
        return NeuralSearch(self.model, utterances)


class NeuralSearch:
    """The state of all hypotheses of a batch in the language model."""

    gain = 0.0

    def __init__(self, model: LanguageModel, utterances: int):
        self.model, self.cache = model, model.start(utterances)
        self.device = model.embed.weight.device

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Log-probabilities (B, K, 1+C) of the candidates after hypotheses whose last tokens are ``last`` (B, K)."""
        log_probs = self.model.step(last.to(self.device), self.cache).to(candidates.device)
        return log_probs.gather(2, candidates).double()

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        self.cache.reorder(parents.to(self.device))

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.cache.select(rows.to(self.device))

    def rule_out(self, log_probs: Tensor) -> None:
        """Does nothing: no token is impossible."""


def languages_of(loaded: LoadedModel, options: DecodeOptions) -> list[tuple[float, NeuralLanguage | NGram | Hotwords]]:
    """(weight, language model) of all that the options name; ``loaded`` caches them for the next call.

    Raises VsrError: bad_model, bad_config.
    """
    sources = (
        (options.lm, options.lm_weight, load_neural),
        (options.ngram, options.ngram_weight, load_ngram),
        (options.hotwords, options.hotwords_weight, load_hotwords),
    )
    languages = []
    for name, weight, load in sources:
        if name and name not in loaded.languages:
            with _loading:
                loaded.languages[name] = loaded.languages.get(name) or load(name, loaded)
        if name:
            languages.append((weight, loaded.languages[name]))
    return languages


def load_ngram(path: str, loaded: LoadedModel) -> NGram:
    """The n-grams of a file, over the tokens of the lip reader."""
    return NGram(path, loaded.tokenizer)


def load_hotwords(path: str, loaded: LoadedModel) -> Hotwords:
    """The hotwords of a file, spelled with the tokens of the lip reader."""
    return Hotwords(path, loaded.tokenizer)


def load_neural(folder: str, loaded: LoadedModel) -> NeuralLanguage:
    """The language model of a folder; its tokens must be those of the lip reader. Raises VsrError bad_model."""
    language = load_language_model(folder, next(loaded.model.parameters()).device, loaded.precision)
    ids = range(loaded.tokenizer.eos_id + 1)
    tokenizer = language.tokenizer
    if tokenizer.eos_id != loaded.tokenizer.eos_id or tokenizer.pieces(ids) != loaded.tokenizer.pieces(ids):
        raise VsrError("bad_model", f"the language model {folder} has other tokens than the lip reader")
    return NeuralLanguage(language.model)
