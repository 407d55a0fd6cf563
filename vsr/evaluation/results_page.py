"""Results as Markdown: a table with a row for each list of each run, and below it how each run was made."""

from __future__ import annotations

import re
from dataclasses import asdict

from vsr.decoding.options import DecodeOptions
from vsr.evaluation import topk as accuracy
from vsr.evaluation.runs import title_of

PUBLISHED = re.compile(r"(\d+(?:\.\d+)?) % WER, (.+)")  # a published figure and its list
HEADER = (
    "| list | N scored | skipped | words | S | D | I | WER % | 95 % interval | CER % | times ms |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


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
    """The search of each list, as recorded with its hypotheses and not as the command says; "" without a record."""
    lists: dict[str, list[str]] = {}
    for name, figures in scores.items():
        if "search" in (inputs := figures.get("scored_from", {}).get("made", {})) and "top1" not in figures:
            lists.setdefault(_search(inputs), []).append(name)
    searches = "; ".join(f"{options} ({', '.join(names)})" for options, names in lists.items())
    return f"Search: {searches}\n\n" if searches else ""


def _search(inputs: dict) -> str:
    """The options of a search: the main ones, and all others that differ from the default."""
    defaults = asdict(DecodeOptions())
    shown = {k: v for k, v in inputs["search"].items() if k in ("method", "beam", "ctc_weight") or v != defaults.get(k)}
    if "nbest" in inputs:
        shown = {"rescored with weight": inputs["weight"]} | {k: v for k, v in shown.items() if v != defaults.get(k)}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def render(result: dict) -> str:
    """The Markdown page of one result."""
    scores = result["scores"]
    rows = "\n".join(row(name, figures) for name, figures in scores.items())
    header = accuracy.HEADER if all("top1" in figures for figures in scores.values()) else HEADER
    first, rest = _told(result)
    return f"# Results\n\n{first}\n\n{header}\n{rows}\n\n{rest}"


def _told(result: dict) -> tuple[str, str]:
    """The text above the rows of a result, and the text below."""
    scores = result["scores"]
    timed = any("times" in figures for figures in scores.values())
    note = " Times: mean error of the boundaries of words read right." if timed else ""
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    remark = f"{result['note']}\n\n" if result.get("note") else ""
    normalisers = ", ".join(sorted({figures["normaliser"] for figures in scores.values()}))
    return (
        f"{result['date']}, commit {result['commit']}, {result['machine']}. Normaliser: {normalisers}.{note}",
        f"{remark}{search_line(scores)}Command: `{result['command']}`\n\n{made_line(result)}\n\nModel: {model}\n",
    )


def page(runs: list[dict]) -> str:
    """The Markdown page of all runs: a table with their rows, then how each was made."""
    tables = {False: HEADER, True: accuracy.HEADER}
    parts = [_table(runs, header, ranked) for ranked, header in tables.items()]
    sections = [f"## {title_of(run)}\n\n" + "\n\n".join(_told(run)) for run in runs]
    return "# Results\n\n" + "\n".join([*filter(None, parts), *sections])


def _table(runs: list[dict], header: str, ranked: bool) -> str:
    """The rows of all lists scored by errors, or by accuracy (``ranked``); "" if there are none."""
    titles, line = header.split("\n")
    rows = [
        f"| {run.get('name') or '-'} | {run.get('tag') or '-'} {row(name, figures)} {run['date']} | {run['commit']} |"
        for run in runs
        for name, figures in run["scores"].items()
        if ("top1" in figures) == ranked
    ]
    if not ranked:
        rows = with_published(runs, rows)
    return "\n".join([f"| model | tag {titles} date | commit |", f"|---|---{line}---|---|", *rows, ""]) if rows else ""


def made_line(result: dict) -> str:
    """The source of the weights: a publisher, or training."""
    published = result.get("published")
    if not published:
        return f"Training: {training_line(result)}"
    name = published.get("normaliser", "lower")
    return (
        f"Published, by {published['source']}: {published['error']}; texts are counted by the normaliser {name}. "
        f"The weights are of {published['place']}; nothing was trained here."
    )


def with_published(runs: list[dict], rows: list[str]) -> list[str]:
    """Rows of runs, followed by one for each model with a published word error rate."""
    sources = {run.get("name") or "-": run["published"] for run in runs if run.get("published")}
    for name, published in sources.items():
        if figures := PUBLISHED.fullmatch(published["error"]):
            rows = [*rows, f"| {name} | published | {figures[2]} {'| - ' * 6}| {figures[1]} {'| - ' * 5}|"]
    return rows


def training_line(config: dict) -> str:
    """How the weights were made, from a config.json or a result.json: the figures of training, and which epochs or runs
    were averaged."""
    averaged = config.get("averaged") or []
    runs = [run for run in averaged if isinstance(run, dict)]  # else names of epochs
    if runs:
        details = "; ".join(f"({k}) {training_line({**run, 'training': run})}" for k, run in enumerate(runs, start=1))
        return f"the mean of the weights of {len(runs)} runs: {details}"
    line = ", ".join(f"{name} {value}" for name, value in config.get("training", {}).items() if name != "averaged")
    return f"{line}; the mean of the weights after epochs {', '.join(averaged)}" if averaged else line
