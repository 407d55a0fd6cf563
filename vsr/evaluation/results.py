"""Figures of a run -> RESULTS.md, with a row of every run before: what was scored, on what, by which command, on which
machine. result.json is the run itself, runs.jsonl all of them."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from vsr.core.artifacts import identify
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs, read_json, same_file, write_json, write_text
from vsr.evaluation.results_page import page
from vsr.evaluation.runs import outputs_of, read_runs, with_run, write_runs
from vsr.modelstore.checkpoint import WEIGHTS_FILE
from vsr.modelstore.folder import find_model


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
    return (
        named
        | provenance(command)
        | {
            "model": spread(config["model"]),
            "training": config.get("training", {}),
            "averaged": config.get("averaged", []),
            "confidence": config.get("confidence", {}),
            "published": config.get("published", {}),
            "note": note,
            "scores": scores,
        }
    )


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
