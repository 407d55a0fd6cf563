"""Writes RESULTS.md from the figures of an evaluated run, with a row for every earlier run."""

from __future__ import annotations

from pathlib import Path

from lip2speech.evaluation.summary import header, table, with_new_keys
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import check_outputs, read_json, write_json, write_text
from vsr.evaluation.results import provenance
from vsr.evaluation.runs import outputs_of, read_runs, title_of, with_run, write_runs

LEGEND = {
    "moved": "the natural recording on the video's clock (`lip2speech sync`): the score of a perfect voice that does "
    "not know the recording's offset",
    "natural, other pauses": "the natural words with the pauses of another clip: the score of a perfect voice that "
    "does not know the recording's noise",
    "moved, other pauses": "both: the score of a perfect voice that knows neither",
    "copy": "natural mel and units through the vocoder",
    "copy32": "the same with 32 rounds of mel consistency",
    "system": "from the lips, with the words read from them if the voice has a listener",
    "lips": "from the lips, without words",
    "other_words": "from the lips, with the words of another clip: a control",
}


COLUMNS = (
    "| model | tag | list | N scored | not scored | ASR WER % | STOI | ESTOI | PESQ nb | PESQ wb | date | commit |"
)


def write_results(run_folder: str | Path, command: str, out: str | Path, tag: str = "", test_list: str = "") -> dict:
    """Write the page ``out``, and ``result.json`` and ``runs.jsonl`` beside it; returns the result.

    The figures are read from ``decode_LIST_TAG`` of the run, or without a tag from ``result``. The page keeps the rows
    of earlier runs, except those of the same model, tag and list. Raises VsrError bad_manifest.
    """
    run_folder, result_path = Path(run_folder), Path(out).with_name("result.json")
    result_folder = run_folder / (f"decode_{test_list}_{tag}" if tag else "result")
    check_outputs(outputs_of(out), result_folder / "result.json", run_folder / "model" / "config.json")
    try:
        evaluated = with_new_keys(read_json(result_folder / "result.json"))
        config = read_json(run_folder / "model" / "config.json")
    except (OSError, ValueError) as error:
        problem = f"{run_folder} is not evaluated: run lip2speech evaluate ({cause_of(error)})"
        raise VsrError("bad_manifest", problem) from error
    settings = {name: value for name, value in config["model"].items() if name != "reader"}
    named = {"name": run_folder.resolve().name, "tag": tag, "list": test_list}
    result = named | provenance(command) | {"model": settings, "training": config.get("training", {})} | evaluated
    runs = with_run([with_new_keys(run) for run in read_runs(result_path.parent, "rows")], result)
    write_json(result_path, result)
    write_runs(result_path.parent, runs)
    write_text(out, page(runs))
    return result


def page(runs: list[dict]) -> str:
    """The Markdown page of all runs: a table with a row for each, then the figures of each run."""
    lines = [COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|", *map(row, runs)]
    sections = [render(run).replace("# Results\n", f"## {title_of(run)}\n", 1) for run in runs]
    return "# Results\n\n" + "\n".join([*lines, "", *sections])


def row(run: dict) -> str:
    """A run's line of the table, with the figures of the system."""
    row_result = run["rows"].get("system") or list(run["rows"].values())[-1]
    means = {name: figure["mean"] for name, figure in row_result["figures"].items() if figure}
    cells = [run.get("name") or "-", run.get("tag") or "-", run.get("list") or "-", row_result["scored"]]
    cells += [row_result["too_short"] + row_result["failed"], "-"]
    if asr := row_result.get("asr"):
        cells[-1] = "{:.1f} ({:.1f} - {:.1f})".format(*(100 * asr[name] for name in ("wer", "wer_low", "wer_high")))
    cells += [f"{means[name]:.3f}" if name in means else "-" for name in ("stoi", "estoi")]
    cells += [f"{means[name]:.2f}" if name in means else "-" for name in ("pesq_nb", "pesq_wb")]
    return "| " + " | ".join(map(str, [*cells, run["date"], run["commit"]])) + " |"


def legend(rows) -> str:
    """A paragraph that explains the rows that recipes make; "" if there are none."""
    note = [f"{row}: {LEGEND[row]}" for row in rows if row in LEGEND]
    return f"Rows: {'; '.join(note)}.\n\n" if note else ""


def render(result: dict) -> str:
    """The Markdown page of a result."""
    training = ", ".join(f"{name} {value}" for name, value in result["training"].items())
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    reasons = "; ".join(
        f"{row}: {why} {n}" for row, row_result in result["rows"].items() for why, n in row_result["reasons"].items()
    )
    return (
        "# Results\n\n"
        f"{result['date']}, commit {result['commit']}, {result['machine']}. {result['clips']} clips. "
        f"{header(result['protocol'], result['asr'])}\n\n{table(result['rows'])}\n\n"
        f"{legend(result['rows'])}Not scored: {reasons or 'none'}.\n\nCommand: `{result['command']}`\n\n"
        f"Training: {training}\n\nModel: {model}\n"
    )
