"""Error rates of phonemes, visemes and characters; a word that has several pronunciations counts by the nearest.

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
    """Errors of one utterance, their kinds, and the units of its reference."""

    errors: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    units: int = 0

    def plus(self, substituted: int = 0, deleted: int = 0, inserted: int = 0, units: int = 0) -> Edits:
        """With so many more."""
        new = substituted + deleted + inserted
        found = self.substitutions + substituted, self.deletions + deleted, self.insertions + inserted
        return Edits(self.errors + new, *found, self.units + units)


def least_edits(words: Sequence[Sequence[Units]], hypothesis: Sequence[str]) -> Edits:
    """The fewest edits between ``hypothesis`` (H,) and any choice of one variant for each of the words.

    Exact: the row of each prefix of the words is the best of those that their variants give. Of choices with equal
    errors the first is taken.
    """
    row = [Edits().plus(inserted=count) for count in range(len(hypothesis) + 1)]
    for variants in words:
        rows = [_through(row, own, hypothesis) for own in dict.fromkeys(variants)]
        row = [min(own, key=lambda edits: edits.errors) for own in zip(*rows, strict=True)] if rows else row
    return row[-1]


def _through(row: list[Edits], units: Units, hypothesis: Sequence[str]) -> list[Edits]:
    """The row of edits after the further units of a reference."""
    for unit in units:
        new = [row[0].plus(deleted=1, units=1)]
        for before, above, said in zip(row, row[1:], hypothesis, strict=False):
            right = before.plus(substituted=int(said != unit), units=1)
            new.append(min(right, above.plus(deleted=1, units=1), new[-1].plus(inserted=1), key=_errors))
        row = new
    return row


def _errors(edits: Edits) -> int:
    return edits.errors


@dataclass(frozen=True)
class UnitScore:
    """A test list by units; an interval of 95 % by bootstrap over its utterances."""

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
    """Score texts, or strings of phonemes or visemes where a record's "unit" says so, by units.

    Raises VsrError bad_manifest where a hypothesis has no reference, nothing can be scored, or what was read cannot be
    turned into such units.
    """
    orphans = sorted(records.keys() - references.keys())
    if orphans:
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    pronouncer = Pronouncer(dictionary) if unit != "char" else None
    norm = normaliser(normaliser_name)
    each = {
        key: least_edits(reference_units(norm(references[key]), unit, pronouncer),
                         hypothesis_units(records[key], unit, pronouncer, norm))
        for key in sorted(references) if key in records
    }  # fmt: skip
    if not sum(own.units for own in each.values()):
        raise VsrError("bad_manifest", f"nothing to score: no hypothesis has a reference with {unit}s")
    total = Edits._make(sum(column) for column in zip(*each.values(), strict=True))
    low, high = interval(list(each.values()))
    kinds = total.substitutions, total.deletions, total.insertions
    guessed = sum(pronouncer.guessed.values()) if pronouncer else 0
    return UnitScore(
        unit, total.errors / total.units, low, high, *kinds, total.units, len(each), len(references) - len(each),
        tuple(dictionary) if pronouncer else (), guessed,
    ), each  # fmt: skip


def interval(each: Sequence[Edits], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the rate when utterances are drawn with replacement (Bisani and Ney 2004)."""
    return rate_interval([(own.errors, own.units) for own in each], level, seed)


def reference_units(text: str, unit: str, pronouncer: Pronouncer | None) -> list[list[Units]]:
    """The variants of each word of a normalised text; of characters the text itself. A word that nobody can say is one
    unit, which nothing matches."""
    if pronouncer is None:
        return [[tuple(text)]]
    return [[_shown(own, unit) for own in found] or [("?",)] for found in pronouncer.words(text)]


def hypothesis_units(record: Mapping[str, Any], unit: str, pronouncer: Pronouncer | None, norm) -> Units:
    """What was read, in units: of words the first pronunciations. Raises VsrError bad_manifest."""
    said, text = record.get("unit", "text"), record["text"]
    if said == "text":
        if pronouncer is None:
            return tuple(norm(text))
        first = (found[0] if found else ("?",) for found in pronouncer.words(norm(text)))
        return tuple(own for phones in first for own in _shown(phones, unit))
    units = tuple(own for own in text.split() if own != MARK)
    if unit not in UNITS or said == "viseme" and unit == "phoneme":
        raise VsrError("bad_manifest", f"what was read are {said}s: {unit}s cannot be made of them")
    odd = next((own for own in units if own not in (PHONEMES if said == "phoneme" else VISEMES)), None)
    if odd is not None:
        raise VsrError("bad_manifest", f"{odd!r} is no {said}")
    return _shown(units, unit) if said == "phoneme" else units


def _shown(phones: Units, unit: str) -> Units:
    return visemes_of(phones) if unit == "viseme" else tuple(phones)


def token_edits(tokenizer: UnitTokenizer, text: str, tokens: Sequence[int]) -> Edits:
    """Edits of tokens that a reader of units found, against all pronunciations of a text; marks do not count."""
    words = [[tuple(tokenizer.pieces(own)) for own in tokenizer.variants(word)] for word in lower(text).split()]
    return least_edits(words, [piece for piece in tokenizer.pieces(tokens) if piece and piece != MARK])
