"""Summarises outcomes as means with intervals, ASR word error rates, tables and files.

Everything is counted: a voice without figures is excluded from the means but counted under its reason, and a voice
that could not be recognised counts as deleted words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lip2speech.evaluation.asr_error_rates import NORMALISER, error_rate, format_rate, rate_kind
from lip2speech.evaluation.asr_scorers import display_name, names_of, package_of
from lip2speech.evaluation.corpus import Outcome
from lip2speech.evaluation.metrics import Utterance
from vsr.core.file_kinds import FileKind, json_kind, text_kind
from vsr.core.files import write_json, write_lines, write_text
from vsr.data.manifest import Clip
from vsr.evaluation.wer import score, word_errors
from vsr.text.normalise import fold_spaces, normaliser

RESAMPLES = 1000
COLUMNS = (
    ("stoi", "STOI", 3), ("estoi", "ESTOI", 3), ("pesq_nb", "PESQ nb", 2), ("pesq_wb", "PESQ wb", 2),
    ("mcd", "MCD dB", 2), ("f0", "F0 cents", 0), ("voicing", "V/UV", 3), ("offset_ms", "offset ms", 1),
    ("offset_size_ms", "offset size ms", 1), ("stoi_aligned", "STOI aligned", 3), ("stoi_words", "STOI words", 3),
    ("estoi_words", "ESTOI words", 3), ("speaker", "speaker", 3), ("dnsmos", "DNSMOS", 2),
    ("distillmos", "DistillMOS", 2), ("lse_c", "LSE-C", 2), ("lse_d", "LSE-D", 2),
)  # fmt: skip
OPTIONAL = {"distillmos": "distillmos", "lse_c": "syncnet-python", "lse_d": "syncnet-python"}  # optional -> package
NUMBERS = tuple(field.name for field in fields(Utterance))


def with_new_keys(result: dict) -> dict:
    """Convert a result.json of the previous version, which called the recogniser "judge", to the current keys."""
    if not isinstance(result.get("rows"), dict):
        return result
    rows = {row: _with_new_names(values) for row, values in result["rows"].items()}
    return {"asr": ""} | _with_new_names(result) | {"rows": rows}


def _with_new_names(entries: dict) -> dict:
    return {"asr" if name == "judge" else name: value for name, value in entries.items()}


def summarise(
    clips: Sequence[Clip], outcomes: Sequence[Outcome], with_asr: bool, others: Sequence[str] = ()
) -> dict[str, dict]:
    """Row -> means with 95 % intervals, counts, and the ASR word error rate over all clips that have a text, by the
    first recogniser and by the ``others``.

    For a voice that could not be recognised (missing, silent, ...) all words count as deleted.
    """
    texts = {clip.id: clip.text for clip in clips if clip.text.split()}
    rows: dict[str, dict] = {}
    for name in dict.fromkeys(outcome.row for outcome in outcomes):
        row_outcomes = [outcome for outcome in outcomes if outcome.row == name]
        rows[name] = _row(row_outcomes)
        if with_asr:
            heard = {outcome.id: outcome.heard for outcome in row_outcomes if outcome.id in texts}
            rows[name]["asr"] = score(texts, heard, NORMALISER)[0].as_dict()
        for number, other in enumerate(others):
            heard = {o.id: o.also[number] if o.also else "" for o in row_outcomes if o.id in texts}
            rows[name].setdefault("asr_also", {})[other] = error_rate(other, texts, heard)
    return rows


def _row(outcomes: Sequence[Outcome]) -> dict:
    """Counts and means of one row."""
    scored = [outcome.figures for outcome in outcomes if outcome.figures]
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason)
    too_short = reasons.get("too_short", 0)
    return {
        "scored": len(scored),
        "too_short": too_short,
        "failed": len(outcomes) - len(scored) - too_short,
        "reasons": dict(reasons),
        "figures": {number: _mean([getattr(figures, number) for figures in scored]) for number in NUMBERS},
    }


def _mean(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and bootstrap interval of the finite values; None where there are none."""
    finite = np.asarray([value for value in values if np.isfinite(value)])
    if not len(finite):
        return None
    means = np.random.default_rng(0).choice(finite, (RESAMPLES, len(finite))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(finite.mean()), "low": float(low), "high": float(high), "n": len(finite)}


def table(rows: Mapping[str, dict]) -> str:
    """The Markdown table of `summarise`."""
    others = list(dict.fromkeys(name for row in rows.values() for name in row.get("asr_also", {})))
    absent = {name for name in OPTIONAL if not any(row["figures"].get(name) for row in rows.values())}
    columns = [column for column in COLUMNS if column[0] not in absent]
    titles = ["row", "N", "too short", "failed", *(title for _, title, _ in columns), "ASR WER %"]
    kinds = {name: rate_kind(rate) for row in rows.values() for name, rate in row.get("asr_also", {}).items()}
    titles += [f"{kinds[name].upper()} % of {name}" for name in others]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, row in rows.items():
        cells = [name, str(row["scored"]), str(row["too_short"]), str(row["failed"])]
        # An older result.json may lack newer columns.
        cells += [_cell(row["figures"].get(number), digits) for number, _, digits in columns]
        cells.append(format_rate(row.get("asr")))
        cells += [format_rate(row.get("asr_also", {}).get(name)) for name in others]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: dict | None, digits: int) -> str:
    return "-" if figure is None else f"{figure['mean']:.{digits}f}"


def header(protocol: str, asr: str) -> str:
    """The notes that precede the figures: reference voice, recogniser and conditions."""
    voices = {
        "self": "the clip's own recording",
        "cross": "another recording of the same speaker",
        "vision": "none: the model's own voice",
    }
    return (
        f"Reference voice: {protocol} ({voices[protocol]}). ASR: {asr or 'none'}"
        f"{', normaliser ' + NORMALISER + ', unrecognised clips count as deleted words' if asr else ''}. "
        "STOI, ESTOI and PESQ at 16 kHz, not aligned; PESQ is ITU-T P.862, narrow (nb) and wide band (wb). "
        "Offset: positive when the voice is late. Words: aligned, from the first word to the last."
    )


def outputs_of(out: str | Path) -> list[tuple[Path, FileKind]]:
    """The files that `write_evaluation` writes, for `vsr.core.files.check_outputs`."""
    kinds = {
        "result.json": json_kind("a result of lip2speech evaluate", "protocol", "rows"),
        "utterances.tsv": text_kind("a table of lip2speech evaluate", "row\tid\t"),
        "table.md": text_kind("a table of lip2speech evaluate", "Reference voice: "),
    }
    return [(Path(out) / name, kind) for name, kind in kinds.items()]


def write_evaluation(
    out: str | Path, clips: Sequence[Clip], outcomes: Sequence[Outcome], protocol: str, asr: str
) -> dict:
    """Write result.json, utterances.tsv and table.md into ``out``; returns the result. ``asr``: NAME[,NAME]."""
    measured = [asdict(outcome.figures) for outcome in outcomes if outcome.figures]
    packages = {OPTIONAL[name] for name in OPTIONAL if any(np.isfinite(figures[name]) for figures in measured)}
    out, package_versions = Path(out), versions(asr, sorted(packages))
    asr, *others = [display_name(name) for name in names_of(asr)] or [""]
    rows = summarise(clips, outcomes, bool(asr), others)
    result = {"protocol": protocol, "asr": asr, "clips": len(clips), "versions": package_versions, "rows": rows}
    write_json(out / "result.json", result)
    columns = ["row", "id", *NUMBERS, "words", "errors", "reference", "heard", "reason", "message"]
    columns += [f"heard by {name}" for name in others]
    texts = {clip.id: clip.text for clip in clips}
    rows_of_tsv = (_tsv_row(outcome, texts[outcome.id], bool(asr)) for outcome in outcomes)
    lines = ["\t".join(columns), *("\t".join(fold_spaces(cell) for cell in cells) for cells in rows_of_tsv)]
    write_lines(out / "utterances.tsv", lines)
    write_text(out / "table.md", f"{header(protocol, asr)}\n\n{table(rows)}\n")
    return result


def _tsv_row(outcome: Outcome, text: str, with_asr: bool) -> list[str]:
    figures = asdict(outcome.figures) if outcome.figures else {}
    numbers = [f"{figures[name]:.4f}" if name in figures else "" for name in NUMBERS]
    words = errors = ""
    if with_asr and text.split():
        norm = normaliser(NORMALISER)
        errors, words = map(str, word_errors(norm(text), norm(outcome.heard)))
    rest = [outcome.heard, outcome.reason, outcome.message, *outcome.also]
    return [outcome.row, outcome.id, *numbers, words, errors, text, *rest]


def versions(asr: str, optional: Sequence[str] = ()) -> dict[str, str]:
    """Package -> version, for all packages that the figures depend on; ``optional``: optional packages in use."""
    packages = ["pystoi", "pesq", "pyworld", "resemblyzer", "speechmos", *optional]
    for name in names_of(asr):
        packages.append(package_of(name))
    return {package: version(package) for package in packages}
