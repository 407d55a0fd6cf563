"""The runs of a recipe, one JSON object per line in runs.jsonl beside its RESULTS.md, which has a row for each.

A run is identified by its model's name, its tag and, for a run on a single list, that list: a new score replaces the
line of the same run and no other.
"""

from __future__ import annotations

import json
from pathlib import Path

from vsr.core.errors import VsrError, cause_of
from vsr.core.file_kinds import FileKind, json_kind, json_lines_kind, text_kind
from vsr.core.files import read_json, write_lines

RUNS_FILE = "runs.jsonl"
RESULT_FILE = "result.json"


def outputs_of(page: str | Path) -> list[tuple[Path, FileKind]]:
    """The page and the files beside it, for `vsr.core.files.check_outputs`."""
    keys, page = ("a run's figures", "date", "command"), Path(page)
    beside = ((page.with_name(RESULT_FILE), json_kind(*keys)), (page.with_name(RUNS_FILE), json_lines_kind(*keys)))
    return [(page, text_kind("a page of results", "# Results")), *beside]


def key_of(run: dict) -> tuple[str, str, str]:
    """(name of the model, tag, list of a run on a single list); all "" for results of versions without tags."""
    return run.get("name", ""), run.get("tag", ""), run.get("list", "")


def title_of(run: dict) -> str:
    """The title of a run on the page."""
    return ", ".join(filter(None, key_of(run))) or f"run of {run['date']}"


def read_runs(folder: str | Path, figures: str) -> list[dict]:
    """The runs of a folder, the oldest first; without runs.jsonl, the run of its result.json.

    ``figures``: the key of a run's figures, which differs between tasks.

    Raises VsrError bad_manifest for a line that is not a run.
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
        raise VsrError(
            "bad_manifest", f"{folder}: the runs before this one cannot be read: {cause_of(error)}"
        ) from error
    return runs


def with_run(runs: list[dict], run: dict) -> list[dict]:
    """The runs with one more; it replaces a run of the same name and tag in its place."""
    keys = [key_of(other) for other in runs]
    if key_of(run) not in keys:
        return [*runs, run]
    return [run if key == key_of(run) else other for key, other in zip(keys, runs, strict=True)]


def write_runs(folder: str | Path, runs: list[dict]) -> None:
    """Write runs.jsonl. Raises VsrError."""
    write_lines(Path(folder) / RUNS_FILE, [json.dumps(run, ensure_ascii=False) for run in runs])
