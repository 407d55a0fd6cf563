"""Figures of a run -> RESULTS.md, with a row of every run before: what was scored, on what, by which command, on which
machine. result.json is the run itself, runs.jsonl all of them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from vsr.core.artifacts import identify
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs, read_json, same_file, write_json, write_text
from vsr.decoding.options import DecodeOptions
from vsr.evaluation import topk as accuracy
from vsr.evaluation.runs import outputs_of, read_runs, title_of, with_run, write_runs
from vsr.modelstore.checkpoint import WEIGHTS_FILE
from vsr.modelstore.folder import find_model

PUBLISHED = re.compile(r"(\d+(?:\.\d+)?) % WER, (.+)")  # a published figure and what it is of
HEADER = (
    "| list | N scored | skipped | words | S | D | I | WER % | 95 % interval | CER % | times ms |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def score_files(run_folder: Path, tag: str = "", lists: Sequence[str] = ()) -> dict[str, Path]:
    """List -> its scores: ``decode_LIST_TAG/score*.json`` of a run, without a tag ``result/*.json``.

    What follows "score" in a file's name tells one way of scoring from another. Raises VsrError if there are none.
    """
    if not tag:
        found = {file.stem: file for file in sorted((run_folder / "result").glob("*.json"))}
        if not found:
            raise VsrError("bad_manifest", f"{run_folder / 'result'} holds no scores: run vsr score --json there first")
        return found
    end, found = f"_{tag}", {}
    for name in lists or [path.name[7 : -len(end)] for path in sorted(run_folder.glob(f"decode_*{end}"))]:
        files = sorted((run_folder / f"decode_{name}{end}").glob("score*.json"))
        if not files:
            problem = f"{run_folder / f'decode_{name}{end}'} holds no score.json"
            raise VsrError("bad_manifest", f"{problem}: run vsr decode and vsr score --json there first")
        found |= {name + file.stem.removeprefix("score"): file for file in files}
    if not found:
        raise VsrError("bad_manifest", f"{run_folder} has no folder decode_LIST{end}")
    return found


def spread(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Settings of parts within settings, each by its whole name: ``frontend.width``; the kind by that of its part."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        own = before[:-1] if before and name == "kind" else before + name
        found |= spread(value, f"{own}.") if isinstance(value, Mapping) else {own: value}
    return found


def collect(run_folder: str | Path, command: str, note: str = "", tag: str = "", lists: Sequence[str] = (),
            model: str | None = None) -> dict:  # fmt: skip
    """The scores of a run (`score_files`) with its training record and machine, and what a reader should know of the
    lists. Raises VsrError if there are no scores."""
    run_folder = Path(run_folder)
    files = score_files(run_folder, tag, lists)
    folder = run_folder / "model" if model is None else find_model(model)
    config = read_json(folder / "config.json")
    scores = {name: read_json(file) for name, file in files.items()}
    weights = identify(folder / WEIGHTS_FILE).get("sha256")
    for name, file in files.items():
        check_origin(file, scores[name].get("scored_from", {}), weights)
    named = {"name": Path(os.path.realpath(run_folder)).name, "tag": tag}
    return named | provenance(command) | {
        "model": spread(config["model"]),
        "training": config.get("training", {}),
        "averaged": config.get("averaged", []),
        "confidence": config.get("confidence", {}),
        "published": config.get("published", {}),
        "note": note,
        "scores": scores,
    }


def check_origin(file: Path, origin: dict, weights: str | None) -> None:
    """Refuse figures of other hypotheses than there are now, or of another model than the run's. Raises VsrError."""
    hypotheses = origin.get("hypotheses", {})
    path = hypotheses.get("file", "")
    if path and Path(path).is_file() and identify(path).get("sha256") != hypotheses.get("sha256"):
        raise VsrError("bad_manifest", f"{file} scores an earlier {path}: run vsr score again")
    model = origin.get("made", {}).get("model", {}).get("sha256")
    if model and weights and model != weights:
        problem = f"{file} scores what other weights than model/ of the run read"
        raise VsrError("bad_manifest", f"{problem}: run vsr decode and vsr score again")


def provenance(command: str) -> dict[str, str]:
    """When, from which commit, by which command and on which machine a figure was made."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"date": date.today().isoformat(), "commit": commit(), "command": command, "machine": machine}


def commit() -> str:
    """Short hash of the checkout, "unknown" outside one."""
    place = Path(__file__).parent
    answer = subprocess.run(
        ["git", "-C", str(place), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"


def row(name: str, s: dict) -> str:
    """One line of the table: error rates, or accuracy of isolated words."""
    if "top1" in s:
        return accuracy.row(name, s)
    interval = f"{100 * s['wer_low']:.2f} - {100 * s['wer_high']:.2f}"
    counts = f"{s['substitutions']} | {s['deletions']} | {s['insertions']}"
    return (
        f"| {name} | {s['scored']} | {s['skipped']} | {s['words']} | {counts} "
        f"| {100 * s['wer']:.2f} | {interval} | {100 * s['cer']:.2f} | {s.get('times', {}).get('mean_ms', '-')} |"
    )


def search_line(scores: dict[str, dict]) -> str:
    """How the lists were searched, as their hypotheses record and not as the command says; "" where none does."""
    lists: dict[str, list[str]] = {}
    for name, own in scores.items():
        if "search" in (made := own.get("scored_from", {}).get("made", {})) and "top1" not in own:
            lists.setdefault(_search(made), []).append(name)
    searches = "; ".join(f"{how} ({', '.join(names)})" for how, names in lists.items())
    return f"Search: {searches}\n\n" if searches else ""


def _search(made: dict) -> str:
    """The options of a search: what says most, and all that are not the usual."""
    usual = asdict(DecodeOptions())
    shown = {k: v for k, v in made["search"].items() if k in ("method", "beam", "ctc_weight") or v != usual.get(k)}
    if "nbest" in made:
        shown = {"rescored with weight": made["weight"]} | {k: v for k, v in shown.items() if v != usual.get(k)}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def render(result: dict) -> str:
    """The Markdown page of one result."""
    scores = result["scores"]
    rows = "\n".join(row(name, own) for name, own in scores.items())
    header = accuracy.HEADER if all("top1" in own for own in scores.values()) else HEADER
    first, rest = _told(result)
    return f"# Results\n\n{first}\n\n{header}\n{rows}\n\n{rest}"


def _told(result: dict) -> tuple[str, str]:
    """What stands above the rows of a result, and what below."""
    scores = result["scores"]
    timed = any("times" in own for own in scores.values())
    note = " Times: mean distance of the borders of words that were read right." if timed else ""
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    remark = f"{result['note']}\n\n" if result.get("note") else ""
    normalisers = ", ".join(sorted({s["normaliser"] for s in scores.values()}))
    return (
        f"{result['date']}, commit {result['commit']}, {result['machine']}. Normaliser: {normalisers}.{note}",
        f"{remark}{search_line(scores)}"
        f"Command: `{result['command']}`\n\n{made_line(result)}\n\nModel: {model}\n",
    )


def page(runs: list[dict]) -> str:
    """The Markdown page of all runs: a table with their rows, then how each was made."""
    tables = {False: HEADER, True: accuracy.HEADER}
    parts = [_table(runs, header, ranked) for ranked, header in tables.items()]
    sections = [f"## {title_of(run)}\n\n" + "\n\n".join(_told(run)) for run in runs]
    return "# Results\n\n" + "\n".join([*filter(None, parts), *sections])


def _table(runs: list[dict], header: str, ranked: bool) -> str:
    """The rows of all lists that were scored alike, by errors or by accuracy (``ranked``); "" if there are none."""
    titles, line = header.split("\n")
    rows = [
        f"| {run.get('name') or '-'} | {run.get('tag') or '-'} {row(name, own)} {run['date']} | {run['commit']} |"
        for run in runs
        for name, own in run["scores"].items()
        if ("top1" in own) == ranked
    ]
    if not ranked:
        rows = with_published(runs, rows)
    return "\n".join([f"| model | tag {titles} date | commit |", f"|---|---{line}---|---|", *rows, ""]) if rows else ""


def made_line(result: dict) -> str:
    """Where the weights come from: a publisher, or training."""
    published = result.get("published")
    if not published:
        return f"Training: {training_line(result)}"
    counted = published.get("normaliser", "lower")
    return (
        f"Published, by {published['source']}: {published['error']}; texts are counted by the normaliser {counted}. "
        f"The weights are of {published['place']}; nothing was trained here."
    )


def with_published(runs: list[dict], rows: list[str]) -> list[str]:
    """Rows of runs, and below them one for the published word error rate of each model that has one."""
    found = {run.get("name") or "-": run["published"] for run in runs if run.get("published")}
    for name, published in found.items():
        if figures := PUBLISHED.fullmatch(published["error"]):
            rows = [*rows, f"| {name} | published | {figures[2]} {'| - ' * 6}| {figures[1]} {'| - ' * 5}|"]
    return rows


def training_line(config: dict) -> str:
    """How the weights were made, of a model's config.json or a result.json: what training reached, and what of it was
    averaged, be it epochs of the run or several runs."""
    averaged = config.get("averaged") or []
    runs = [run for run in averaged if isinstance(run, dict)]  # else names of epochs
    if runs:
        each = "; ".join(f"({k}) {training_line({**run, 'training': run})}" for k, run in enumerate(runs, start=1))
        return f"the mean of the weights of {len(runs)} runs: {each}"
    line = ", ".join(f"{name} {value}" for name, value in config.get("training", {}).items() if name != "averaged")
    return f"{line}; the mean of the weights after epochs {', '.join(averaged)}" if averaged else line


def write_results(
    run_folder: str | Path, command: str, out: str | Path, note: str = "", tag: str = "", lists: Sequence[str] = (),
    model: str | None = None,
) -> dict:  # fmt: skip
    """Write ``result.json`` and ``runs.jsonl`` beside ``out``, and the page itself; returns the result.

    ``model``: what was scored, where it is no model/ of the run. The page keeps the rows of earlier runs; a run of the
    same model and tag replaces its own. Raises VsrError.
    """
    made, folder = Path(out).with_name("result.json"), Path(run_folder)
    check_outputs(outputs_of(out), folder / "model" / "config.json", *(folder / "result").glob("*.json"))
    if any(same_file(made.parent, place) for place in (folder / "result", *folder.glob("decode_*"))):
        raise VsrError("bad_config", f"{made} would be taken for a score of the run: write the page to another folder")
    result = collect(run_folder, command, note, tag, lists, model)
    runs = with_run(read_runs(made.parent, "scores"), result)
    write_json(made, result)
    write_runs(made.parent, runs)
    write_text(out, page(runs))
    return result
