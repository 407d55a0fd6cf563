"""The notebook: its cells are run in order, and what they print is what it shows."""

import json
from pathlib import Path

import pytest

from tests.test_docs import desk  # noqa: F401  a fixture

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_a_notebook_that_any_program_opens():
    whole = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5) and whole["metadata"]["kernelspec"][
        "name"
    ] == "python3"
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        needed = {"cell_type", "id", "metadata", "source"}
        needed |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == needed and cell["cell_type"] in ("code", "markdown")
        assert all(output["output_type"] == "stream" for output in cell.get("outputs", []))


def test_links_are_whole():
    import re

    for cell in CELLS:
        for path in re.findall(r"\]\(([^)#]+)", "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
            assert (NOTEBOOK.parent / path).exists(), path


def test_its_cells_print_what_it_shows(desk, capsys):  # noqa: F811
    names: dict = {}
    cells = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    for cell in cells:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        shown = "".join(text for output in cell["outputs"] for text in output["text"])
        assert capsys.readouterr().out == shown, cell["id"]
    assert Path("voice.wav").exists()


@pytest.mark.parametrize("word", ["/home", "/root", "/tmp"])
def test_nothing_of_one_machine_is_in_it(word):
    assert word not in NOTEBOOK.read_text(encoding="utf-8")
