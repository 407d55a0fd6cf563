"""All runs of a recipe, one JSON object a line in runs.jsonl beside its RESULTS.md: the page keeps a row of each.

A run is known by its model's name, its tag and, where it is of one list alone, that list: what is scored again replaces
its own line and no other.
"""

from __future__ import annotations

import json
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_lines
from vsr.core.kinds import Kind, json_of, lines_of, text_of

RUNS_FILE = "runs.jsonl"
RESULT_FILE = "result.json"


def outputs_of(page: str | Path) -> list[tuple[Path, Kind]]:
    """The page and the files beside it, for `vsr.core.files.check_outputs`."""
    run, page = ("a run's figures", "date", "command"), Path(page)
    beside = ((page.with_name(RESULT_FILE), json_of(*run)), (page.with_name(RUNS_FILE), lines_of(*run)))
    return [(page, text_of("a page of results", "# Results")), *beside]


def key_of(run: dict) -> tuple[str, str, str]:
    """(name of the model, tag, list where a run has one alone); all "" of a result of versions that knew no tags."""
    return run.get("name", ""), run.get("tag", ""), run.get("list", "")


def title_of(run: dict) -> str:
    """How the page calls a run."""
    return ", ".join(filter(None, key_of(run))) or f"run of {run['date']}"


def read_runs(folder: str | Path, figures: str) -> list[dict]:
    """The runs of a folder, the oldest first; of a folder without runs.jsonl, that of its result.json.

    ``figures``: the key of a run under which they stand: another task's page has another.

    Raises VsrError bad_manifest where a line is no run.
    """
    folder = Path(folder)
    try:
        if (folder / RUNS_FILE).is_file():
            lines = (folder / RUNS_FILE).read_text(encoding="utf-8").splitlines()
            runs = [json.loads(line) for line in lines if line.strip()]
        else:
            runs = [read_json(folder / RESULT_FILE)] if (folder / RESULT_FILE).is_file() else []
        if not all(isinstance(run, dict) and {"date", "command", "model", figures} <= run.keys() for run in runs):
            raise ValueError(f"a line has no {figures}")
    except (OSError, ValueError) as error:
        raise VsrError("bad_manifest", f"{folder}: the runs before this one cannot be read: {error}") from error
    return runs


def with_run(runs: list[dict], run: dict) -> list[dict]:
    """The runs with one more; one of the same name and tag makes room for it, where it stood."""
    keys = [key_of(each) for each in runs]
    if key_of(run) not in keys:
        return [*runs, run]
    return [run if key == key_of(run) else each for key, each in zip(keys, runs, strict=True)]


def write_runs(folder: str | Path, runs: list[dict]) -> None:
    """Write runs.jsonl. Raises VsrError."""
    write_lines(Path(folder) / RUNS_FILE, [json.dumps(run, ensure_ascii=False) for run in runs])
