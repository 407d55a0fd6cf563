"""Text <-> token ids. Special ids are the same everywhere: blank 0, unknown 1, start/end last (`vsr.core.tokens`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.core.tokens import BLANK, UNK
from vsr.text.character_tokenizers import CharTokenizer, WordTokenizer
from vsr.text.normalise import lower
from vsr.text.phonemes import UNITS
from vsr.text.piece_tokenizers import ListTokenizer, SentencePieceTokenizer, sentence_pieces
from vsr.text.unit_list import CONFIG, MARK, SPACE
from vsr.text.unit_tokenizers import load_units

__all__ = [
    "BLANK", "MARK", "SPACE", "TEXT", "UNK", "CharTokenizer", "ListTokenizer", "SentencePieceTokenizer", "Tokenizer",
    "WordTokenizer", "alphabet_of", "collapse", "kind_of", "load_tokenizer", "pieces_of", "sentence_pieces",
    "train_tokenizer", "unit_of",
]  # fmt: skip


TEXT = "text"  # kind of tokens, beside "phoneme", "viseme" and "ipa"


class Tokenizer(Protocol):
    """The interface of tokenizers; ``vocab_size`` includes blank, unknown and the shared start/end token."""

    vocab_size: int
    eos_id: int
    unit: str

    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def pieces(self, ids: Sequence[int]) -> list[str]: ...
    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]: ...
    def save(self, folder: str | Path) -> None: ...


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer saved in a folder. Raises VsrError if there is none or it is broken."""
    folder = Path(folder)
    try:
        config = read_json(folder / CONFIG)
        if config["kind"] == "char":
            return CharTokenizer(config["characters"])
        if config["kind"] == "word":
            return WordTokenizer(config["words"])
        if config["kind"] == "list":
            return ListTokenizer(config["units"], config.get("case", ""))
        if config["kind"] in UNITS:
            return load_units(folder, config)
        if config["kind"] == "unigram":
            model = (folder / "tokenizer.model").read_bytes()
            return SentencePieceTokenizer(model, config.get("case", "lower"), config.get("units"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{CONFIG} says no {error}" if isinstance(error, KeyError) else error
        raise VsrError("bad_model", f"{folder} holds no readable tokenizer: {what}") from error
    raise VsrError("bad_model", f"{folder / CONFIG}: unknown kind of tokenizer '{config['kind']}'")


def kind_of(folder: str | Path) -> str:
    """The kind in the tokenizer.json of a folder; "" if there is none."""
    try:
        return str(read_json(Path(folder) / CONFIG)["kind"])
    except (OSError, ValueError, KeyError, TypeError, VsrError):
        return ""


def train_tokenizer(kind: str, texts: Iterable[str], vocab_size: int = 1000) -> Tokenizer:
    """Make a tokenizer: "char" with the fixed alphabet, "word" with the words of ``texts`` in alphabetical order, or
    "unigram" trained on ``texts`` (SentencePiece) with at most ``vocab_size`` pieces. Raises VsrError bad_options, and
    bad_config if the texts give no tokenizer."""
    if kind == "char":
        return CharTokenizer()
    if kind == "word":
        return WordTokenizer(sorted({word for text in texts for word in lower(text).split()}))
    if kind != "unigram":
        raise VsrError("bad_options", f"unknown kind of tokenizer '{kind}'; known: char, word, unigram")
    import io

    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([lower(text) for text in texts]), model_writer=model, model_type="unigram",
            vocab_size=vocab_size, hard_vocab_limit=False, bos_id=-1, eos_id=-1, minloglevel=2,
            normalization_rule_name="identity",  # done by `lower`; SentencePiece's own splits Thai letters
        )  # fmt: skip
    except RuntimeError as error:
        raise VsrError("bad_config", f"SentencePiece could not train {vocab_size} pieces: {error}") from error
    return SentencePieceTokenizer(model.getvalue())


def collapse(path: Sequence[int]) -> list[int]:
    """A CTC path, one id per frame -> its tokens: repeats merged, then blanks removed (Graves et al. 2006)."""
    return [i for k, i in enumerate(path) if i != BLANK and (k == 0 or i != path[k - 1])]


def unit_of(tokenizer: Any) -> str:
    """The kind of a tokenizer's tokens; "text" if it does not say, like tokenizers of plug-in heads, and for None."""
    return getattr(tokenizer, "unit", TEXT)


def alphabet_of(tokenizer: Tokenizer | None) -> tuple[str, ...]:
    """Unit and pieces of a tokenizer: if they are equal, ids of two tokenizers mean the same. () for None."""
    return () if tokenizer is None else (unit_of(tokenizer), *pieces_of(tokenizer))


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    """The piece of every id, which tells alphabets of the same size apart."""
    return tokenizer.pieces(range(tokenizer.vocab_size))
