"""Error rates of phonemes, visemes and characters; of a word's pronunciations, the nearest counts.

Shapes: N units of the reference, H units of the hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from vsr.core.errors import VsrError
from vsr.evaluation.bootstrap import rate_interval
from vsr.text.normalise import lower, normaliser
from vsr.text.phonemes import MARK, PHONEMES, UNITS
from vsr.text.pronounce import Pronouncer
from vsr.text.unit_tokenizers import UnitTokenizer
from vsr.text.visemes import VISEMES, visemes_of

NAMES = {"char": "CER", "phoneme": "PER", "viseme": "VER"}
Units = tuple[str, ...]


class Edits(NamedTuple):
    """Errors of one utterance, by kind, and the number of units of its reference."""

    errors: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    units: int = 0

    def plus(self, substituted: int = 0, deleted: int = 0, inserted: int = 0, units: int = 0) -> Edits:
        """The edits with these added."""
        errors = substituted + deleted + inserted
        kinds = self.substitutions + substituted, self.deletions + deleted, self.insertions + inserted
        return Edits(self.errors + errors, *kinds, self.units + units)


def least_edits(words: Sequence[Sequence[Units]], hypothesis: Sequence[str]) -> Edits:
    """The fewest edits between ``hypothesis`` (H,) and any choice of one variant for each word.

    Exact: the row of each prefix of words is the minimum over the rows of its last word's variants. Among choices with
    equal errors the first is taken.
    """
    row = [Edits().plus(inserted=count) for count in range(len(hypothesis) + 1)]
    for variants in words:
        rows = [_advance_row(row, variant, hypothesis) for variant in dict.fromkeys(variants)]
        row = (
            [min(candidates, key=lambda edits: edits.errors) for candidates in zip(*rows, strict=True)] if rows else row
        )
    return row[-1]


def _advance_row(row: list[Edits], units: Units, hypothesis: Sequence[str]) -> list[Edits]:
    """The row of edits after more units of the reference."""
    for unit in units:
        next_row = [row[0].plus(deleted=1, units=1)]
        for diagonal, above, read in zip(row, row[1:], hypothesis, strict=False):
            substitution = diagonal.plus(substituted=int(read != unit), units=1)
            next_row.append(
                min(substitution, above.plus(deleted=1, units=1), next_row[-1].plus(inserted=1), key=_errors)
            )
        row = next_row
    return row


def _errors(edits: Edits) -> int:
    return edits.errors


@dataclass(frozen=True)
class UnitScore:
    """Score of a test list by units, with a 95 % bootstrap interval over its utterances."""

    unit: str
    rate: float
    low: float
    high: float
    substitutions: int
    deletions: int
    insertions: int
    units: int
    scored: int
    skipped: int
    dictionary: tuple[str, ...] = ()
    guessed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for result.json."""
        return asdict(self)

    def __str__(self) -> str:
        note = f"  dictionary {', '.join(self.dictionary)}, {self.guessed} words by espeak" if self.dictionary else ""
        return (
            f"{NAMES[self.unit]} {self.rate:.2%} [{self.low:.2%}, {self.high:.2%}]  S {self.substitutions} "
            f"D {self.deletions} I {self.insertions} of {self.units} {self.unit}s  scored {self.scored}  "
            f"skipped {self.skipped}{note}"
        )


def score_units(
    references: Mapping[str, str], records: Mapping[str, Mapping[str, Any]], unit: str, dictionary: Sequence[str] = (),
    normaliser_name: str = "lower",
) -> tuple[UnitScore, dict[str, Edits]]:  # fmt: skip
    """Score texts by units; records may also have phonemes or visemes, if their "unit" says so.

    Raises VsrError bad_manifest if a hypothesis has no reference, nothing can be scored, or a hypothesis cannot be
    converted to such units.
    """
    orphans = sorted(records.keys() - references.keys())
    if orphans:
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    pronouncer = Pronouncer(dictionary) if unit != "char" else None
    norm = normaliser(normaliser_name)
    edits = {
        key: least_edits(reference_units(norm(references[key]), unit, pronouncer),
                         hypothesis_units(records[key], unit, pronouncer, norm))
        for key in sorted(references) if key in records
    }  # fmt: skip
    if not sum(utterance.units for utterance in edits.values()):
        raise VsrError("bad_manifest", f"nothing to score: no hypothesis has a reference with {unit}s")
    total = Edits._make(sum(column) for column in zip(*edits.values(), strict=True))
    low, high = interval(list(edits.values()))
    kinds = total.substitutions, total.deletions, total.insertions
    guessed = sum(pronouncer.guessed.values()) if pronouncer else 0
    return UnitScore(
        unit, total.errors / total.units, low, high, *kinds, total.units, len(edits), len(references) - len(edits),
        tuple(dictionary) if pronouncer else (), guessed,
    ), edits  # fmt: skip


def interval(utterances: Sequence[Edits], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the rate when utterances are drawn with replacement (Bisani and Ney 2004)."""
    return rate_interval([(edits.errors, edits.units) for edits in utterances], level, seed)


def reference_units(text: str, unit: str, pronouncer: Pronouncer | None) -> list[list[Units]]:
    """The variants of each word of a normalised text; for characters, the text itself. A word without a pronunciation
    is one unit that nothing matches."""
    if pronouncer is None:
        return [[tuple(text)]]
    return [[_to_unit(phones, unit) for phones in variants] or [("?",)] for variants in pronouncer.words(text)]


def hypothesis_units(record: Mapping[str, Any], unit: str, pronouncer: Pronouncer | None, norm) -> Units:
    """A hypothesis in units: the first pronunciations of its words, or its own units. Raises VsrError bad_manifest."""
    source, text = record.get("unit", "text"), record["text"]
    if source == "text":
        if pronouncer is None:
            return tuple(norm(text))
        first = (variants[0] if variants else ("?",) for variants in pronouncer.words(norm(text)))
        return tuple(symbol for phones in first for symbol in _to_unit(phones, unit))
    units = tuple(symbol for symbol in text.split() if symbol != MARK)
    if unit not in UNITS or source == "viseme" and unit == "phoneme":
        raise VsrError("bad_manifest", f"what was read are {source}s: {unit}s cannot be made of them")
    unknown = next((symbol for symbol in units if symbol not in (PHONEMES if source == "phoneme" else VISEMES)), None)
    if unknown is not None:
        raise VsrError("bad_manifest", f"{unknown!r} is no {source}")
    return _to_unit(units, unit) if source == "phoneme" else units


def _to_unit(phones: Units, unit: str) -> Units:
    return visemes_of(phones) if unit == "viseme" else tuple(phones)


def token_edits(tokenizer: UnitTokenizer, text: str, tokens: Sequence[int]) -> Edits:
    """Edits between the tokens of a unit recogniser and all pronunciations of a text; marks do not count."""
    words = [[tuple(tokenizer.pieces(variant)) for variant in tokenizer.variants(word)] for word in lower(text).split()]
    return least_edits(words, [piece for piece in tokenizer.pieces(tokens) if piece and piece != MARK])
