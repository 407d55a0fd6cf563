"""Rows of voices -> figures: natural recording, copy-synthesis, systems; everything counted, nothing dropped.

A row is a folder of ID.wav; the row "natural" is the sound of the videos themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lip2speech.audio import fit_length, natural_wave, read_wave
from lip2speech.judges import Judge, open_judge
from lip2speech.metrics import Utterance, check_length, check_sound, measure
from lip2speech.pauses import said
from vsr.clock import SAMPLES_PER_FRAME
from vsr.data.manifest import Clip
from vsr.errors import VsrError
from vsr.files import write_json, write_lines, write_text
from vsr.pool import in_processes
from vsr.progress import counted
from vsr.score import score, word_errors
from vsr.text.normalise import fold_spaces, normaliser

NATURAL = "natural"
RESAMPLES = 1000
NORMALISER = "lower"  # of the judge's text
COLUMNS = (
    ("stoi", "STOI", 3), ("estoi", "ESTOI", 3), ("pesq_nb", "PESQ nb", 2), ("pesq_wb", "PESQ wb", 2),
    ("mcd", "MCD dB", 2), ("f0", "F0 cents", 0), ("voicing", "V/UV", 3), ("offset_ms", "offset ms", 1),
    ("offset_size_ms", "offset size ms", 1), ("stoi_aligned", "STOI aligned", 3), ("stoi_words", "STOI words", 3),
    ("estoi_words", "ESTOI words", 3), ("speaker", "speaker", 3), ("dnsmos", "DNSMOS", 2),
)  # fmt: skip
NUMBERS = tuple(field.name for field in fields(Utterance))


@dataclass(frozen=True)
class Outcome:
    """What became of one clip in one row: figures, or the reason why there are none; and what the judge heard."""

    row: str
    id: str
    figures: Utterance | None = None
    heard: str = ""
    reason: str = ""
    message: str = ""


def evaluate_clip(clip: Clip, row: str, folder: str | None, judge: Judge | None) -> Outcome:
    """The figures of one clip in one row, and what the judge heard; a failure is an outcome.

    The judge hears every voice that sounds, even one that is too short to be measured or has no natural recording.
    """
    heard = ""
    try:
        voice = wave_of_row(clip, folder)
        check_sound(voice, "voice")
        heard = judge.transcribe(voice) if judge else ""
        check_length(voice, "voice")
        natural = voice if folder is None else natural_wave(clip)
        return Outcome(row, clip.id, measure(natural, fit_length(voice, len(natural)), said(clip)), heard)
    except VsrError as error:
        return Outcome(row, clip.id, None, heard, error.reason, str(error))
    except Exception as error:  # noqa: BLE001  a fault in one clip must not cost the figures of the others
        return Outcome(row, clip.id, None, heard, "internal", f"{type(error).__name__}: {error}")


def wave_of_row(clip: Clip, folder: str | None) -> np.ndarray:
    """A clip's voice in a row; folder None: its natural recording. Raises VsrError missing, unreadable, no_sound."""
    if folder is None:
        return natural_wave(clip)
    path = Path(folder) / f"{clip.id}.wav"
    if not path.is_file():
        raise VsrError("missing", f"{path}: the row has no such file")
    wave = read_wave(path)
    return wave[: SAMPLES_PER_FRAME * clip.num_frames] if clip.num_frames else wave


def evaluate(clips: Sequence[Clip], rows: Mapping[str, str | None], judge: str = "", jobs: int = 1) -> list[Outcome]:
    """Every clip in every row; ``rows``: name -> folder, None for the natural recordings.

    Raises VsrError before any work: bad_judge, or bad_manifest where the judge has no text to compare with.
    """
    tasks = [(clip, row, folder) for row, folder in rows.items() for clip in clips]
    if judge:
        open_judge(judge)
        if clips and not any(clip.text.split() for clip in clips):
            raise VsrError("bad_manifest", "a judge needs transcripts, and no clip of the manifest has a text")
    return list(counted(_outcomes(tasks, judge, jobs), "evaluate", len(tasks), failed="not scored"))


def _outcomes(tasks: list[tuple], judge: str, jobs: int) -> Iterator[Outcome]:
    if jobs > 1:
        return in_processes(partial(_evaluate_task, judge), tasks, jobs, _lost)
    opened = open_judge(judge) if judge else None
    return (evaluate_clip(*task, opened) for task in tasks)


def _evaluate_task(judge: str, task: tuple) -> Outcome:
    import torch

    torch.set_num_threads(1)  # the processes are the parallelism
    return evaluate_clip(*task, _judge_of_process(judge) if judge else None)


_judge_of_process = cache(open_judge)


def _lost(task: tuple) -> Outcome:
    clip, row, _ = task
    return Outcome(row, clip.id, reason="internal", message="the process that measured it died (not enough memory?)")


def summarise(clips: Sequence[Clip], outcomes: Sequence[Outcome], judged: bool) -> dict[str, dict]:
    """Row -> means with 95 % intervals, counts, the judge's word error rate over all clips that have a text.

    A voice that could not be heard (missing, silent, ...) counts against the judge with all its words deleted.
    """
    texts = {clip.id: clip.text for clip in clips if clip.text.split()}
    rows: dict[str, dict] = {}
    for name in dict.fromkeys(outcome.row for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.row == name]
        scored = [outcome for outcome in own if outcome.figures]
        reasons = Counter(outcome.reason for outcome in own if outcome.reason)
        too_short = reasons.get("too_short", 0)
        rows[name] = {
            "scored": len(scored),
            "too_short": too_short,
            "failed": len(own) - len(scored) - too_short,
            "reasons": dict(reasons),
            "figures": {number: _mean([getattr(o.figures, number) for o in scored]) for number in NUMBERS},
        }
        if judged:
            heard = {o.id: o.heard for o in own if o.id in texts}
            rows[name]["judge"] = score(texts, heard, NORMALISER)[0].as_dict()
    return rows


def _mean(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and bootstrap interval of what is finite."""
    known = np.asarray([value for value in values if np.isfinite(value)])
    if not len(known):
        return None
    drawn = np.random.default_rng(0).choice(known, (RESAMPLES, len(known))).mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"mean": float(known.mean()), "low": float(low), "high": float(high), "n": len(known)}


def table(rows: Mapping[str, dict]) -> str:
    """The Markdown table of `summarise`."""
    titles = ["row", "N", "too short", "failed", *(title for _, title, _ in COLUMNS), "judge's WER %"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, row in rows.items():
        cells = [name, str(row["scored"]), str(row["too_short"]), str(row["failed"])]
        # An older result.json may lack a column that came later.
        cells += [_cell(row["figures"].get(number), digits) for number, _, digits in COLUMNS]
        cells.append(_wer_cell(row.get("judge")))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: dict | None, digits: int) -> str:
    return "-" if figure is None else f"{figure['mean']:.{digits}f}"


def _wer_cell(judge: dict | None) -> str:
    if judge is None:
        return "-"
    wer, low, high = (100 * judge[name] for name in ("wer", "wer_low", "wer_high"))
    return f"{wer:.1f} ({low:.1f} - {high:.1f})"


def header(protocol: str, judge: str) -> str:
    """What a reader must know before the figures."""
    voices = {
        "self": "the clip's own recording",
        "cross": "another recording of the same speaker",
        "vision": "none: the model's own voice",
    }
    return (
        f"Reference voice: {protocol} ({voices[protocol]}). Judge: {judge or 'none'}"
        f"{', normaliser ' + NORMALISER + ', what could not be heard is deleted words' if judge else ''}. "
        "STOI, ESTOI and PESQ at 16 kHz, not aligned; PESQ is ITU-T P.862, narrow (nb) and wide band (wb). "
        "Offset: positive when the voice is late. Words: aligned, from the first word to the last."
    )


def write_evaluation(
    out: str | Path, clips: Sequence[Clip], outcomes: Sequence[Outcome], protocol: str, judge: str
) -> dict:
    """Write result.json, utterances.tsv and table.md into ``out``; returns the result."""
    out = Path(out)
    rows = summarise(clips, outcomes, bool(judge))
    result = {"protocol": protocol, "judge": judge, "clips": len(clips), "versions": versions(judge), "rows": rows}
    write_json(out / "result.json", result)
    columns = ["row", "id", *NUMBERS, "words", "errors", "reference", "heard", "reason", "message"]
    texts = {clip.id: clip.text for clip in clips}
    rows_of_tsv = (_tsv_row(outcome, texts[outcome.id], bool(judge)) for outcome in outcomes)
    lines = ["\t".join(columns), *("\t".join(fold_spaces(cell) for cell in cells) for cells in rows_of_tsv)]
    write_lines(out / "utterances.tsv", lines)
    write_text(out / "table.md", f"{header(protocol, judge)}\n\n{table(rows)}\n")
    return result


def _tsv_row(outcome: Outcome, text: str, judged: bool) -> list[str]:
    figures = asdict(outcome.figures) if outcome.figures else {}
    numbers = [f"{figures[name]:.4f}" if name in figures else "" for name in NUMBERS]
    words = errors = ""
    if judged and text.split():
        norm = normaliser(NORMALISER)
        errors, words = map(str, word_errors(norm(text), norm(outcome.heard)))
    return [outcome.row, outcome.id, *numbers, words, errors, text, outcome.heard, outcome.reason, outcome.message]


def versions(judge: str) -> dict[str, str]:
    """Package -> version of what the figures rest on."""
    used = ["pystoi", "pesq", "pyworld", "resemblyzer", "speechmos"]
    if judge:
        used.append("pocketsphinx" if judge.startswith("pocketsphinx") else "transformers")
    return {package: version(package) for package in used}
