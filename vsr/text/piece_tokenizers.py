"""Tokenizers that segment text into pieces: SentencePiece models, and lists of units without a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, write_json
from vsr.text.normalise import lower
from vsr.text.segmenting import fewest_pieces
from vsr.text.unit_list import CONFIG, MARK, SPACE, UnitList, spans_between_marks, spans_between_spaces


class SentencePieceTokenizer(UnitList):
    """A SentencePiece model in the common id layout; pieces that start a word begin with U+2581.

    Args:
        model: the bytes of SentencePiece's file.
        case: "lower" or "upper", the case of the pieces.
        units: the pieces in the order of a published model's head, which may be fewer or more than in the file and
            in another order; "" for a unit that is never written. Default: the file's pieces without special ones.
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
        with atomic_write(Path(folder) / "tokenizer.model") as temporary:
            temporary.write_bytes(self._model)
        config = {"kind": "unigram", "case": self.case}
        write_json(Path(folder) / CONFIG, config if self._own_order else config | {"units": self.units})


class ListTokenizer(UnitList):
    """The list of units of a published model that has no segmenter: letters of any script, or pieces.

    Words are separated by the unit " ", else by pieces that begin with U+2581; without both (Mandarin), each unit is a
    word. Text is encoded with the fewest units that spell it.

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


def sentence_pieces(processor) -> list[str]:
    """The pieces of a SentencePiece processor in order, without control and unknown symbols."""
    ids = range(len(processor))
    return [processor.id_to_piece(i) for i in ids if not processor.is_control(i) and not processor.is_unknown(i)]
