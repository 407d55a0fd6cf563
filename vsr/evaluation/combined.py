"""Evaluates a combination of hypotheses: its members, the oracle, and whether disagreement finds errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.evaluation.bootstrap import rate_interval
from vsr.evaluation.wer import Score, UtteranceScore, score


@dataclass(frozen=True)
class CombinationFigures:
    """Figures of a combination on utterances with references.

    Args:
        members: word error rate of each.
        oracle: word error rate of the best member of each utterance, the limit of a choice among members.
        combined: score of the combination.
        gain: points of WER by which the combination beats the best member, with a 95 % interval (paired bootstrap
            over utterances).
        auroc: how well a word's disagreement (1 - share of the members that have it) finds wrong words; None if all
            words are right, or all are wrong.
    """

    members: list[Score]
    oracle: float
    combined: Score
    gain: tuple[float, float, float]
    auroc: float | None

    def lines(self, names: Sequence[str]) -> list[str]:
        """A line for each figure, for people."""
        lines = [f"{name}  {member}" for name, member in zip(names, self.members, strict=True)]
        mean, low, high = self.gain
        gain = f"gain on the best member {mean:.2f} points [{low:.2f}, {high:.2f}]"
        auroc = "" if self.auroc is None else f"  AUROC of disagreement {self.auroc:.3f}"
        return [*lines, f"oracle  WER {self.oracle:.2%}", f"combined  {self.combined}", gain + auroc]


def combination_figures(references: Mapping[str, str], members: Sequence[Mapping[str, str]], records: Sequence[dict],
          normaliser_name: str = "lower") -> CombinationFigures:  # fmt: skip
    """Score members (id -> text) and the combination's records. Raises VsrError like `vsr.evaluation.wer.score`."""
    known = {key: text for key, text in references.items() if key in members[0]}
    scores = [score(known, member, normaliser_name) for member in members]
    combined, utterances = score(known, {record["id"]: record["text"] for record in records}, normaliser_name)
    totals = [total for total, _ in scores]
    best = min(range(len(totals)), key=lambda index: totals[index].wer)
    best_scores = [
        min(candidates, key=lambda u: u.errors)
        for candidates in zip(*(member_scores for _, member_scores in scores), strict=True)
    ]
    oracle = sum(u.errors for u in best_scores) / combined.words
    return CombinationFigures(
        totals, oracle, combined, paired_gain(scores[best][1], utterances), _auroc(known, records, normaliser_name)
    )


def paired_gain(
    before: Sequence[UtteranceScore], after: Sequence[UtteranceScore], seed: int = 0
) -> tuple[float, float, float]:
    """Points of WER by which ``after`` is better, and their 95 % interval (paired bootstrap over utterances)."""
    rows = [(a.errors - b.errors, a.words) for a, b in zip(before, after, strict=True)]
    mean = 100 * sum(row[0] for row in rows) / max(1, sum(row[1] for row in rows))
    return mean, *rate_interval([(100 * saved, words) for saved, words in rows], seed=seed)


def _auroc(references: Mapping[str, str], records: Sequence[dict], normaliser_name: str) -> float | None:
    from sklearn.metrics import roc_auc_score

    from vsr.decoding.confidence import correct_words
    from vsr.text.normalise import normaliser

    norm, wrong, doubt = normaliser(normaliser_name), [], []
    for record in records:
        words = [norm(word["word"]) for word in record["words"]]
        wrong += [not right for right in correct_words(norm(references[record["id"]]).split(), words)]
        doubt += [1 - word["agreement"] for word in record["words"]]
    return float(roc_auc_score(wrong, doubt)) if len(set(wrong)) == 2 else None


def agreement_lines(records: Sequence[dict]) -> list[str]:
    """Figures without references: share of words on which all members agree, and that at most half of them have."""
    shares = [word["agreement"] for record in records for word in record["words"]]
    if not shares:
        return ["no words"]
    all_agree, doubtful = (
        sum(flags) / len(shares) for flags in zip(*((s == 1, s <= 0.5) for s in shares), strict=True)
    )
    return [f"{len(shares)} words: all members agree on {all_agree:.1%}, at most half have {doubtful:.1%}"]
