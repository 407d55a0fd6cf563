"""A list of units as tokens: blank 0, unknown 1, the units from 2 on, start/end last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vsr.core.tokens import UNK

CONFIG = "tokenizer.json"


class Listed:
    """Unit i of ``units`` has the id i + 2; what all tokenizers do with such a list."""

    unit = "text"  # what tokens are of, beside "phoneme" and "viseme"

    def __init__(self, units: Sequence[str]):
        self.units = list(units)
        self._ids = {unit: index + UNK + 1 for index, unit in enumerate(self.units) if unit}
        self.vocab_size = len(self.units) + 3
        self.eos_id = self.vocab_size - 1

    def ids(self, units: Iterable[str]) -> list[int]:
        """The id of each unit, that of the unknown where the list has none."""
        return [self._ids.get(unit, UNK) for unit in units]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The unit of each id for lists of tokens; "" for blank and end, "?" for unknown."""
        return ["?" if i == UNK else self._piece(int(i)) for i in ids]

    def _written(self, ids: Sequence[int]) -> list[str]:
        """What a text has of each id: nothing of the unknown, too, which nobody can say."""
        return [self._piece(int(i)) for i in ids]

    def _piece(self, i: int) -> str:
        return self.units[i - UNK - 1] if UNK < i < self.eos_id else ""
