"""Word and character error rates of a corpus, by kind of error, with the number of scored clips and an interval."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vsr.core.artifacts import Ledger, essence, identify
from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_lines
from vsr.evaluation.bootstrap import rate_interval
from vsr.text.normalise import normaliser


@dataclass(frozen=True)
class UtteranceScore:
    """Errors of one utterance; ``words`` is the length of its reference."""

    id: str
    reference: str
    hypothesis: str
    words: int
    substitutions: int
    deletions: int
    insertions: int
    characters: int
    character_errors: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True)
class Score:
    """Score of a whole test list: summed errors over summed reference words, as in jiwer."""

    wer: float
    wer_low: float
    wer_high: float
    cer: float
    substitutions: int
    deletions: int
    insertions: int
    words: int
    scored: int
    skipped: int
    normaliser: str

    def as_dict(self) -> dict:
        """Plain numbers for result.json."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"WER {self.wer:.2%} [{self.wer_low:.2%}, {self.wer_high:.2%}]  CER {self.cer:.2%}  "
            f"S {self.substitutions} D {self.deletions} I {self.insertions} of {self.words} words  "
            f"scored {self.scored}  skipped {self.skipped}  normaliser {self.normaliser}"
        )


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """(edits, reference words) of one pair of texts."""
    utterance = score_utterance("", reference, hypothesis)
    return utterance.errors, utterance.words


def score_utterance(clip_id: str, reference: str, hypothesis: str) -> UtteranceScore:
    """Word and character edits of one pair of normalised texts."""
    import jiwer

    if not reference:  # jiwer refuses an empty reference, for which every word is an insertion
        inserted = len(hypothesis.split())
        return UtteranceScore(clip_id, reference, hypothesis, 0, 0, 0, inserted, 0, len(hypothesis))
    words = jiwer.process_words(reference, hypothesis)
    characters = jiwer.process_characters(reference, hypothesis)
    wrong = characters.substitutions + characters.deletions + characters.insertions
    return UtteranceScore(
        clip_id, reference, hypothesis, len(reference.split()),
        words.substitutions, words.deletions, words.insertions, len(reference), wrong,
    )  # fmt: skip


def score(
    references: Mapping[str, str], hypotheses: Mapping[str, str], normaliser_name: str = "lower"
) -> tuple[Score, list[UtteranceScore]]:
    """Score ``hypotheses`` (id -> text) against ``references``; a reference without a hypothesis counts as skipped.

    Raises VsrError if a hypothesis has no reference or nothing can be scored.
    """
    orphans = sorted(hypotheses.keys() - references.keys())
    if orphans:
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    norm = normaliser(normaliser_name)
    utterances = [
        score_utterance(i, norm(references[i]), norm(hypotheses[i])) for i in sorted(references) if i in hypotheses
    ]
    words = sum(u.words for u in utterances)
    if not words:
        raise VsrError("bad_manifest", "nothing to score: no hypothesis has a reference with words")
    low, high = bootstrap_interval(utterances)
    return Score(
        wer=sum(u.errors for u in utterances) / words,
        wer_low=low,
        wer_high=high,
        cer=sum(u.character_errors for u in utterances) / sum(u.characters for u in utterances),
        substitutions=sum(u.substitutions for u in utterances),
        deletions=sum(u.deletions for u in utterances),
        insertions=sum(u.insertions for u in utterances),
        words=words,
        scored=len(utterances),
        skipped=len(references) - len(utterances),
        normaliser=normaliser_name,
    ), utterances


def bootstrap_interval(scores: list[UtteranceScore], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the WER when utterances are drawn with replacement (Bisani and Ney 2004)."""
    return rate_interval([(utterance.errors, utterance.words) for utterance in scores], level, seed)


def write_tsv(path: str | Path, scores: list[UtteranceScore]) -> None:
    """One line per utterance: id, errors, S, D, I, words, reference, hypothesis."""
    header = "id\terrors\tsubstitutions\tdeletions\tinsertions\twords\treference\thypothesis"
    rows = (
        f"{u.id}\t{u.errors}\t{u.substitutions}\t{u.deletions}\t{u.insertions}\t{u.words}\t{u.reference}\t{u.hypothesis}"
        for u in scores
    )
    write_lines(path, [header, *rows])


def read_hypotheses(path: str | Path) -> dict[str, str]:
    """id -> text from the JSONL that `vsr decode` writes. Raises VsrError naming the line."""
    return {key: record["text"] for key, record in read_records(path).items()}


def read_records(path: str | Path) -> dict[str, dict]:
    """id -> record from the JSONL that `vsr decode` writes. Raises VsrError naming the line."""
    records: dict[str, dict] = {}
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
            key, text = record["id"], record["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise VsrError("bad_manifest", f"{path}, line {number}: no hypothesis with id and text") from error
        if not isinstance(key, str) or not isinstance(text, str):
            raise VsrError("bad_manifest", f"{path}, line {number}: id and text must be strings")
        if key in records:
            raise VsrError("bad_manifest", f"{path}, line {number}: the id {key} is there twice")
        records[key] = record
    return records


def origin(references: str | Path, hypotheses: str | Path) -> dict:
    """The inputs of a score: both files, and the recorded inputs of the hypotheses, if their folder has a record.

    "file" of the hypotheses is their path as given.
    """
    path = Path(hypotheses)
    ledger = Ledger(path.parent)
    identity = identify(path)
    record = ledger.records.get(path.name)
    inputs = record["made"] if record and record["file"].get("sha256") == identity.get("sha256") else {}
    return {
        "references": essence(identify(references)), "hypotheses": essence(identity) | {"file": str(hypotheses)},
        "made": essence(inputs),
    }  # fmt: skip
