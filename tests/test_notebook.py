"""The notebook's cells run in order and print what it shows."""

import json
from pathlib import Path

import pytest

from tests.test_docs import example_folder  # noqa: F401  a fixture

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_notebook_is_valid():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5) and notebook["metadata"]["kernelspec"][
        "name"
    ] == "python3"
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        keys = {"cell_type", "id", "metadata", "source"}
        keys |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == keys and cell["cell_type"] in ("code", "markdown")
        assert all(output["output_type"] == "stream" for output in cell.get("outputs", []))


def test_links_lead_to_files():
    import re

    for cell in CELLS:
        for path in re.findall(r"\]\(([^)#]+)", "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
            assert (NOTEBOOK.parent / path).exists(), path


def test_cells_print_what_the_notebook_shows(example_folder, capsys):  # noqa: F811
    namespace: dict = {}
    cells = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    for cell in cells:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), namespace)
        shown = "".join(text for output in cell["outputs"] for text in output["text"])
        assert capsys.readouterr().out == shown, cell["id"]
    assert Path("voice.wav").exists()


@pytest.mark.parametrize("word", ["/home", "/root", "/tmp"])
def test_no_path_of_one_machine_is_in_it(word):
    assert word not in NOTEBOOK.read_text(encoding="utf-8")
