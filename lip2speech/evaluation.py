"""Rows of voices -> figures: natural recording, copy-synthesis, systems; everything counted, nothing dropped.

A row is a folder of ID.wav; the row "natural" is the sound of the videos themselves.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from lip2speech.audio import fit_length, read_wave
from lip2speech.judges import Judge, open_judge
from lip2speech.metrics import Utterance, measure
from vsr.data.manifest import Clip
from vsr.errors import VsrError
from vsr.files import write_json, write_lines, write_text
from vsr.score import score

NATURAL = "natural"
RESAMPLES = 1000
COLUMNS = (
    ("stoi", "STOI", 3), ("estoi", "ESTOI", 3), ("pesq_nb", "PESQ nb", 2), ("pesq_wb", "PESQ wb", 2),
    ("mcd", "MCD dB", 2), ("f0", "F0 cents", 0), ("voicing", "V/UV", 3), ("offset_ms", "offset ms", 1),
    ("stoi_aligned", "STOI aligned", 3), ("speaker", "speaker", 3), ("dnsmos", "DNSMOS", 2),
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
    """The figures of one clip in one row; a failure is an outcome."""
    try:
        natural = read_wave(clip.video, clip.num_frames or None)
        voice = natural if folder is None else fit_length(_row_wave(folder, clip), len(natural))
        heard = judge.transcribe(voice) if judge else ""
        return Outcome(row, clip.id, measure(natural, voice), heard)
    except VsrError as error:
        return Outcome(row, clip.id, reason=error.reason, message=str(error))


def _row_wave(folder: str, clip: Clip) -> np.ndarray:
    path = Path(folder) / f"{clip.id}.wav"
    if not path.is_file():
        raise VsrError("missing", f"{path}: the row has no such file")
    return read_wave(path)


def evaluate(
    clips: Sequence[Clip], rows: Mapping[str, str | None], judge: str = "", jobs: int = 1
) -> list[Outcome]:
    """Every clip in every row; ``rows``: name -> folder, None for the natural recordings."""
    tasks = [(clip, row, folder) for row, folder in rows.items() for clip in clips]
    if judge:
        open_judge(judge)  # a judge that is not there is refused before any work
    return list(_with_progress(_outcomes(tasks, judge, jobs), len(tasks)))


def _outcomes(tasks: list[tuple], judge: str, jobs: int) -> Iterator[Outcome]:
    if jobs <= 1:
        _start_worker(judge, 0)
        yield from map(_evaluate_task, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start_worker, (judge, 1)) as pool:
        yield from pool.map(_evaluate_task, tasks, chunksize=4)


_worker: dict[str, Judge | None] = {}  # of this process


def _start_worker(judge: str, threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)
    _worker["judge"] = open_judge(judge) if judge else None


def _evaluate_task(task: tuple) -> Outcome:
    return evaluate_clip(*task, _worker["judge"])


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    from rich.console import Console
    from rich.progress import track

    return iter(track(outcomes, "evaluate", total=total, console=Console(stderr=True)))


def summarise(clips: Sequence[Clip], outcomes: Sequence[Outcome], judged: bool) -> dict[str, dict]:
    """Row -> means with 95 % intervals, counts, the judge's word error rate over all clips.

    A clip that could not be scored counts against the judge with all its words deleted.
    """
    texts = {clip.id: clip.text for clip in clips}
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
            rows[name]["judge"] = score(texts, {o.id: o.heard for o in own}, "lower")[0].as_dict()
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
        cells += [_cell(row["figures"][number], digits) for number, _, digits in COLUMNS]
        cells.append(f"{100 * row['judge']['wer']:.1f}" if "judge" in row else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: dict | None, digits: int) -> str:
    return "-" if figure is None else f"{figure['mean']:.{digits}f}"


def header(protocol: str, judge: str) -> str:
    """What a reader must know before the figures."""
    voices = {
        "self": "the clip's own recording",
        "cross": "another recording of the same speaker",
        "none": "none: the model's own voice",
    }
    return (
        f"Reference voice: {protocol} ({voices[protocol]}). Judge: {judge or 'none'}. STOI, ESTOI and PESQ at 16 kHz, "
        "not aligned; PESQ is ITU-T P.862, narrow (nb) and wide band (wb)."
    )


def write_evaluation(
    out: str | Path, clips: Sequence[Clip], outcomes: Sequence[Outcome], protocol: str, judge: str
) -> dict:
    """Write result.json, utterances.tsv and table.md into ``out``; returns the result."""
    out = Path(out)
    rows = summarise(clips, outcomes, bool(judge))
    result = {"protocol": protocol, "judge": judge, "clips": len(clips), "rows": rows}
    write_json(out / "result.json", result)
    columns = ["row", "id", *NUMBERS, "reference", "heard", "reason", "message"]
    texts = {clip.id: clip.text for clip in clips}
    lines = ["\t".join(columns), *("\t".join(_tsv_row(outcome, texts)) for outcome in outcomes)]
    write_lines(out / "utterances.tsv", lines)
    write_text(out / "table.md", f"{header(protocol, judge)}\n\n{table(rows)}\n")
    return result


def _tsv_row(outcome: Outcome, texts: Mapping[str, str]) -> list[str]:
    figures = asdict(outcome.figures) if outcome.figures else {}
    numbers = [f"{figures[name]:.4f}" if name in figures else "" for name in NUMBERS]
    return [
        outcome.row, outcome.id, *numbers, texts[outcome.id], outcome.heard, outcome.reason,
        " ".join(outcome.message.split()),
    ]  # fmt: skip
