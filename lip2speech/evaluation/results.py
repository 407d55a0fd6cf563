"""Figures of an evaluated run -> result.json and RESULTS.md."""

from __future__ import annotations

from pathlib import Path

from lip2speech.evaluation.summary import header, table
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs, read_json, write_json, write_text
from vsr.evaluation.results import provenance

LEGEND = {
    "moved": "the natural recording, moved onto the picture's clock by `lip2speech sync`: what a voice without a fault "
    "would score that knows nothing of the recording's offset",
    "natural, other pauses": "the natural words amid the pauses of another clip: what a voice without a fault would "
    "score that knows nothing of the recording's noise",
    "moved, other pauses": "both: what can be scored without knowing the recording's offset and noise",
    "copy": "natural mel and units through the vocoder",
    "copy32": "the same with 32 rounds of mel consistency",
    "system": "what is seen",
}


def write_results(run_folder: str | Path, command: str, out: str | Path) -> dict:
    """Write ``result.json`` beside ``out`` and the page itself; returns the result. Raises VsrError bad_manifest."""
    run_folder, made = Path(run_folder), Path(out).with_name("result.json")
    check_outputs((out, made), run_folder / "result" / "result.json", run_folder / "model" / "config.json")
    try:
        evaluated = read_json(run_folder / "result" / "result.json")
        config = read_json(run_folder / "model" / "config.json")
    except (OSError, ValueError) as error:
        raise VsrError("bad_manifest", f"{run_folder} is not evaluated: run lip2speech evaluate ({error})") from error
    settings = {name: value for name, value in config["model"].items() if name != "reader"}
    result = provenance(command) | {"model": settings, "training": config.get("training", {})} | evaluated
    write_json(made, result)
    write_text(out, render(result))
    return result


def legend(rows) -> str:
    """A paragraph that says what the rows are, of those that the recipes make; "" if there are none."""
    told = [f"{row}: {LEGEND[row]}" for row in rows if row in LEGEND]
    return f"Rows: {'; '.join(told)}.\n\n" if told else ""


def render(result: dict) -> str:
    """The Markdown page of a result."""
    training = ", ".join(f"{name} {value}" for name, value in result["training"].items())
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    reasons = "; ".join(f"{row}: {why} {n}" for row, own in result["rows"].items() for why, n in own["reasons"].items())
    return (
        "# Results\n\n"
        f"{result['date']}, commit {result['commit']}, {result['machine']}. {result['clips']} clips. "
        f"{header(result['protocol'], result['judge'])}\n\n{table(result['rows'])}\n\n"
        f"{legend(result['rows'])}Not scored: {reasons or 'none'}.\n\nCommand: `{result['command']}`\n\n"
        f"Training: {training}\n\nModel: {model}\n"
    )
