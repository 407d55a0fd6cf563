"""Text <-> token ids. The special ids are fixed here and nowhere else: blank 0, unknown 1, start/end last."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.core.tokens import BLANK, UNK  # noqa: F401  known by these names
from vsr.text.listed import CONFIG, Listed
from vsr.text.normalise import lower
from vsr.text.phonemes import UNITS
from vsr.text.segmenting import fewest_pieces
from vsr.text.unit_tokenizers import load_units

SPACE, MARK = " ", "\u2581"  # what opens a word: a space between characters, SentencePiece's mark
CHARACTERS = SPACE + "'" + string.ascii_lowercase + string.digits


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


class CharTokenizer(Listed):
    """One token a character of the lower-cased text; ``characters`` holds the space."""

    def __init__(self, characters: str = CHARACTERS):
        if len(set(characters)) != len(characters) or SPACE not in characters:
            raise VsrError("bad_model", "a character tokenizer needs distinct characters, the space among them")
        super().__init__(characters)
        self.characters = characters

    def encode(self, text: str) -> list[int]:
        """Ids of the normalised text, without start or end."""
        return self.ids(lower(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Text with single spaces."""
        return " ".join("".join(self._written(ids)).split())

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, one past its last token); the space belongs to no word."""
        return spans_between_spaces(self._written(ids))

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json."""
        write_json(Path(folder) / CONFIG, {"kind": "char", "characters": self.characters})


class WordTokenizer(Listed):
    """One token a word of a closed list; other words are unknown.

    Args:
        words: distinct, each as ``lower`` writes it, in the order of their ids.
    """

    def __init__(self, words: Sequence[str]):
        odd = [word for word in words if not isinstance(word, str) or not word or SPACE in word or lower(word) != word]
        if odd or not words or len(set(words)) < len(words):
            raise VsrError("bad_model", "a word tokenizer needs distinct words in lower case without punctuation")
        super().__init__(words)
        self.words = self.units

    def encode(self, text: str) -> list[int]:
        """Ids of the words of the normalised text, without start or end."""
        return self.ids(lower(text).split())

    def decode(self, ids: Sequence[int]) -> str:
        """Text with single spaces."""
        return " ".join(piece for piece in self._written(ids) if piece)

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, its token, one past it)."""
        return [(piece, index, index + 1) for index, piece in enumerate(self._written(ids)) if piece]

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json."""
        write_json(Path(folder) / CONFIG, {"kind": "word", "words": self.words})


class SentencePieceTokenizer(Listed):
    """A SentencePiece model inside the common id layout; the pieces that open a word begin with U+2581.

    Args:
        model: the bytes of SentencePiece's file.
        case: "lower" or "upper", what the pieces are made of.
        units: the pieces in the order of a published model's head, which may know fewer or more than the file and
            other order; "" for a unit that is never written. Default: the file's pieces without its special ones.
    """

    def __init__(self, model: bytes, case: str = "lower", units: Sequence[str] | None = None):
        import sentencepiece

        if case not in ("lower", "upper"):
            raise VsrError("bad_model", f"the case of a tokenizer is {case!r}; it can be 'lower' or 'upper'")
        self._model = model
        self.case = case
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise VsrError("bad_model", f"not a SentencePiece model: {error}") from error
        self._own_order = units is None
        super().__init__(sentence_pieces(self.processor) if units is None else units)
        if len(self._ids) < len([unit for unit in self.units if unit]):
            raise VsrError("bad_model", "a unit stands twice in the tokenizer's list")

    def encode(self, text: str) -> list[int]:
        """Ids of the text, without start or end."""
        text = lower(text) if self.case == "lower" else lower(text).upper()
        return self.ids(self.processor.encode(text, out_type=str))

    def decode(self, ids: Sequence[int]) -> str:
        """Text with single spaces."""
        return " ".join("".join(self._written(ids)).replace(MARK, SPACE).split())

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, one past its last token)."""
        return spans_between_marks(self._written(ids))

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and tokenizer.model."""
        (Path(folder) / "tokenizer.model").write_bytes(self._model)
        config = {"kind": "unigram", "case": self.case}
        write_json(Path(folder) / CONFIG, config if self._own_order else config | {"units": self.units})


class ListTokenizer(Listed):
    """The list of units of a published model that came without a segmenter: letters of any script, or pieces.

    Words are told apart by the unit " ", else by pieces that begin with U+2581; where there is neither (Mandarin),
    each unit is a word. Text is written with the fewest units that spell it.

    Args:
        units: in the order of the model's head, without blank, unknown and end; "" for a unit that is never written.
        case: "lower", "upper", or "" for letters without case.
    """

    def __init__(self, units: Sequence[str], case: str = ""):
        if case not in ("", "lower", "upper"):
            raise VsrError("bad_model", f"the case of a tokenizer is {case!r}; it can be 'lower', 'upper' or ''")
        super().__init__(units)
        self.case, self._known = case, self._ids.keys()
        if not self._known or len(self._known) < len([unit for unit in self.units if unit]):
            raise VsrError("bad_model", "a list of units needs distinct ones")
        self._marked = SPACE not in self._known and any(unit.startswith(MARK) for unit in self._known)

    def encode(self, text: str) -> list[int]:
        """Ids of the text, without start or end."""
        text = lower(text).upper() if self.case == "upper" else lower(text)
        if self._marked:
            text = MARK + text.replace(SPACE, MARK) if text else ""
        elif SPACE not in self._known:
            text = text.replace(SPACE, "")
        return self.ids(fewest_pieces(text, self._known))

    def decode(self, ids: Sequence[int]) -> str:
        """Words with single spaces."""
        return " ".join(word for word, _, _ in self.word_spans(ids))

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, one past its last token)."""
        pieces = self._written(ids)
        if self._marked:
            return spans_between_marks(pieces)
        if SPACE in self._known:
            return spans_between_spaces(pieces)
        return [(piece, index, index + 1) for index, piece in enumerate(pieces) if piece]

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json."""
        write_json(Path(folder) / CONFIG, {"kind": "list", "case": self.case, "units": self.units})


def spans_between_spaces(pieces: Sequence[str]) -> list[tuple[str, int, int]]:
    """(word, first piece, one past its last) of pieces among which spaces stand alone; a space is of no word."""
    spans, start = [], 0
    for index, piece in enumerate([*pieces, SPACE]):
        if piece == SPACE:
            word = "".join(pieces[start:index])
            spans += [(word, start, index)] if word else []
            start = index + 1
    return spans


def spans_between_marks(pieces: Sequence[str]) -> list[tuple[str, int, int]]:
    """(word, first piece, one past its last) of pieces whose mark U+2581 opens a word."""
    starts = [i for i, piece in enumerate(pieces) if i == 0 or piece.startswith(MARK)]
    spans = zip(starts, [*starts[1:], len(pieces)], strict=False)  # nothing, when there are no pieces
    words = [("".join(pieces[a:b]).replace(MARK, ""), a, b) for a, b in spans]
    return [span for span in words if span[0]]


def sentence_pieces(processor) -> list[str]:
    """The pieces of a SentencePiece processor in its order, without control and unknown symbols."""
    ids = range(len(processor))
    return [processor.id_to_piece(i) for i in ids if not processor.is_control(i) and not processor.is_unknown(i)]


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


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    """The piece of every id: what tells two alphabets of one size apart."""
    return tokenizer.pieces(range(tokenizer.vocab_size))
