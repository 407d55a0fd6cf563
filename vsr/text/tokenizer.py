"""Text <-> token ids. The special ids are fixed for all: blank 0, unknown 1, start/end last (`vsr.core.tokens`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.core.tokens import BLANK, UNK
from vsr.text.character_tokenizers import CharTokenizer, WordTokenizer
from vsr.text.listed import CONFIG, MARK, SPACE
from vsr.text.normalise import lower
from vsr.text.phonemes import UNITS
from vsr.text.piece_tokenizers import ListTokenizer, SentencePieceTokenizer, sentence_pieces
from vsr.text.unit_tokenizers import load_units

__all__ = [
    "BLANK", "MARK", "SPACE", "TEXT", "UNK", "CharTokenizer", "ListTokenizer", "SentencePieceTokenizer", "Tokenizer",
    "WordTokenizer", "alphabet_of", "collapse", "kind_of", "load_tokenizer", "pieces_of", "sentence_pieces",
    "train_tokenizer", "unit_of",
]  # fmt: skip


TEXT = "text"  # what tokens are of, beside "phoneme", "viseme" and "ipa"


class Tokenizer(Protocol):
    """What every tokenizer offers; ``vocab_size`` counts blank, unknown and the shared start/end token."""

    vocab_size: int
    eos_id: int
    unit: str

    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def pieces(self, ids: Sequence[int]) -> list[str]: ...
    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]: ...
    def save(self, folder: str | Path) -> None: ...


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer saved in a folder. Raises VsrError when there is none or it is broken."""
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
    """The kind that tokenizer.json of a folder names; "" where there is none."""
    try:
        return str(read_json(Path(folder) / CONFIG)["kind"])
    except (OSError, ValueError, KeyError, TypeError, VsrError):
        return ""


def train_tokenizer(kind: str, texts: Iterable[str], vocab_size: int = 1000) -> Tokenizer:
    """Make a tokenizer: "char" with the fixed alphabet, "word" with the words of ``texts`` in alphabetical order, or
    "unigram" trained on ``texts`` (SentencePiece), of at most ``vocab_size`` pieces. Raises VsrError bad_options, and
    bad_config where the texts give none."""
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
            normalization_rule_name="identity",  # `lower` has done it; SentencePiece's own takes Thai letters apart
        )  # fmt: skip
    except RuntimeError as error:
        raise VsrError("bad_config", f"SentencePiece could not train {vocab_size} pieces: {error}") from error
    return SentencePieceTokenizer(model.getvalue())


def collapse(path: Sequence[int]) -> list[int]:
    """A CTC path, one id a frame -> its tokens: repeats merged, then blanks removed (Graves et al. 2006)."""
    return [i for k, i in enumerate(path) if i != BLANK and (k == 0 or i != path[k - 1])]


def unit_of(tokenizer: Any) -> str:
    """What its tokens are of; text where it does not say, as of tokenizers of heads from outside, or of none."""
    return getattr(tokenizer, "unit", TEXT)


def alphabet_of(tokenizer: Tokenizer | None) -> tuple[str, ...]:
    """Its unit and every piece: two are alike where the ids of both mean the same. Nothing of no tokenizer."""
    return () if tokenizer is None else (unit_of(tokenizer), *pieces_of(tokenizer))


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    """The piece of every id: what tells two alphabets of one size apart."""
    return tokenizer.pieces(range(tokenizer.vocab_size))
