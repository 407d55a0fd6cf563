"""A list of units as tokens: blank 0, unknown 1, the units from 2 on, start/end last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vsr.core.tokens import UNK

CONFIG = "tokenizer.json"
SPACE, MARK = " ", "\u2581"  # start of a word: a space between characters, SentencePiece's mark


class UnitList:
    """Base of tokenizers with a list of units: unit i of ``units`` has the id i + 2."""

    unit = "text"  # kind of tokens, beside "phoneme" and "viseme"

    def __init__(self, units: Sequence[str]):
        self.units = list(units)
        self._ids = {unit: index + UNK + 1 for index, unit in enumerate(self.units) if unit}
        self.vocab_size = len(self.units) + 3
        self.eos_id = self.vocab_size - 1

    def ids(self, units: Iterable[str]) -> list[int]:
        """The id of each unit, the unknown's for a unit outside the list."""
        return [self._ids.get(unit, UNK) for unit in units]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The unit of each id, for display; "" for blank and end, "?" for unknown."""
        return ["?" if i == UNK else self._piece(int(i)) for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Units with single spaces."""
        return " ".join(piece for piece in self._written(ids) if piece)

    def _written(self, ids: Sequence[int]) -> list[str]:
        """The unit of each id, for texts; "" also for unknown."""
        return [self._piece(int(i)) for i in ids]

    def _piece(self, i: int) -> str:
        return self.units[i - UNK - 1] if UNK < i < self.eos_id else ""


def spans_between_spaces(pieces: Sequence[str]) -> list[tuple[str, int, int]]:
    """(word, first piece, one past its last) of pieces with spaces as separate pieces; spaces belong to no word."""
    spans, start = [], 0
    for index, piece in enumerate([*pieces, SPACE]):
        if piece == SPACE:
            word = "".join(pieces[start:index])
            spans += [(word, start, index)] if word else []
            start = index + 1
    return spans


def spans_between_marks(pieces: Sequence[str]) -> list[tuple[str, int, int]]:
    """(word, first piece, one past its last) of pieces where the mark U+2581 starts a word."""
    starts = [i for i, piece in enumerate(pieces) if i == 0 or piece.startswith(MARK)]
    spans = zip(starts, [*starts[1:], len(pieces)], strict=False)  # empty without pieces
    words = [("".join(pieces[a:b]).replace(MARK, ""), a, b) for a, b in spans]
    return [span for span in words if span[0]]
