"""Writes the figures of a run to RESULTS.md, with a row for every earlier run: what was scored, on which lists, by
which command, on which machine. result.json is this run, runs.jsonl all runs."""

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
    """List -> its score file: ``decode_LIST_TAG/score*.json`` of a run, without a tag ``result/*.json``.

    What follows "score" in a file's name distinguishes ways of scoring. Raises VsrError if there are none.
    """
    if not tag:
        files = {file.stem: file for file in sorted((run_folder / "result").glob("*.json"))}
        if not files:
            raise VsrError("bad_manifest", f"{run_folder / 'result'} holds no scores: run vsr score --json there first")
        return files
    suffix, files = f"_{tag}", {}
    for name in lists or [path.name[7 : -len(suffix)] for path in sorted(run_folder.glob(f"decode_*{suffix}"))]:
        scores = sorted((run_folder / f"decode_{name}{suffix}").glob("score*.json"))
        if not scores:
            problem = f"{run_folder / f'decode_{name}{suffix}'} holds no score.json"
            raise VsrError("bad_manifest", f"{problem}: run vsr decode and vsr score --json there first")
        files |= {name + file.stem.removeprefix("score"): file for file in scores}
    if not files:
        raise VsrError("bad_manifest", f"{run_folder} has no folder decode_LIST{suffix}")
    return files


def spread(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as flat ones with full names: ``frontend.width``; the kind of a part has the part's name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = before[:-1] if before and name == "kind" else before + name
        flat |= spread(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat


def collect(run_folder: str | Path, command: str, note: str = "", tag: str = "", lists: Sequence[str] = (),
            model: str | None = None) -> dict:  # fmt: skip
    """The scores of a run (`score_files`) with its training record, its machine and a note on the lists. Raises
    VsrError if there are no scores."""
    run_folder = Path(run_folder)
    files = score_files(run_folder, tag, lists)
    folder = run_folder / "model" if model is None else find_model(model)
    config = read_json(folder / "config.json")
    scores = {name: read_json(file) for name, file in files.items()}
    weights = identify(folder / WEIGHTS_FILE).get("sha256")
    for name, file in files.items():
        check_origin(file, scores[name].get("scored_from", {}), weights)
    names = {"name": Path(os.path.realpath(run_folder)).name, "tag": tag}
    return (
        names
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
    """Refuse scores of hypotheses that have changed since, or of another model than the run's. Raises VsrError."""
    hypotheses = origin.get("hypotheses", {})
    path = hypotheses.get("file", "")
    if path and Path(path).is_file() and identify(path).get("sha256") != hypotheses.get("sha256"):
        raise VsrError("bad_manifest", f"{file} scores an earlier {path}: run vsr score again")
    model = origin.get("made", {}).get("model", {}).get("sha256")
    if model and weights and model != weights:
        problem = f"{file} scores what other weights than model/ of the run read"
        raise VsrError("bad_manifest", f"{problem}: run vsr decode and vsr score again")


def provenance(command: str) -> dict[str, str]:
    """Date, commit, command and machine of a figure."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"date": date.today().isoformat(), "commit": commit(), "command": command, "machine": machine}


def commit() -> str:
    """Short hash of the checkout, "unknown" if there is none."""
    folder = Path(__file__).parent
    process = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return process.stdout.strip() or "unknown"


def write_results(
    run_folder: str | Path, command: str, out: str | Path, note: str = "", tag: str = "", lists: Sequence[str] = (),
    model: str | None = None,
) -> dict:  # fmt: skip
    """Write ``result.json`` and ``runs.jsonl`` beside ``out``, and the page ``out``; returns the result.

    ``model``: the model that was scored, by default model/ of the run. The page keeps the rows of earlier runs; a run
    of the same model and tag replaces its own row. Raises VsrError.
    """
    result_file, folder = Path(out).with_name("result.json"), Path(run_folder)
    check_outputs(outputs_of(out), folder / "model" / "config.json", *(folder / "result").glob("*.json"))
    if any(
        same_file(result_file.parent, score_folder) for score_folder in (folder / "result", *folder.glob("decode_*"))
    ):
        raise VsrError(
            "bad_config", f"{result_file} would be taken for a score of the run: write the page to another folder"
        )
    result = collect(run_folder, command, note, tag, lists, model)
    runs = with_run(read_runs(result_file.parent, "scores"), result)
    write_json(result_file, result)
    write_runs(result_file.parent, runs)
    write_text(out, page(runs))
    return result
