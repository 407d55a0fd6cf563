"""The commands of the first pages work in their order, and the transcripts are what was said."""

import shutil
from pathlib import Path

import pytest

from tests.command_lines import PROGRAMS, command_lines
from tests.test_docs import ROOT, blocks, example_folder  # noqa: F401  a fixture

pytestmark = pytest.mark.slow

PAGES = sorted((ROOT / "docs" / "first").glob("*.md"))
PHRASES = [
    "place blue by m five please", "bin green at f two now", "set red in a nine again", "lay white with q one soon",
    "place green by b six please",
]  # fmt: skip


def commands(page):
    """Commands of ours that need no download of a model."""
    lines = [words for block in blocks(page, "sh") for words in command_lines(block)]
    return [words for words in lines if words[0] in PROGRAMS and "lrs3" not in words]


def test_pages_exist():
    assert [page.stem for page in PAGES] == ["archivist", "clinician", "developer", "researcher"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_first_page_work(page, example_folder, capsys):  # noqa: F811
    Path("list.txt").write_text("\n".join(PHRASES) + "\n", encoding="utf-8")
    Path("clips").mkdir()
    shutil.copy("clip.mp4", "clips/one.mp4")
    Path("clips/one.txt").write_text(PHRASES[0], encoding="utf-8")
    lines = commands(page)
    assert len(lines) >= 2
    for words in lines:
        assert PROGRAMS[words[0]].main(words[1:]) == 0, words
        output = capsys.readouterr().out
        if words[1:3] == ["phrases", "list.txt"] and "--json" not in words:
            assert output.splitlines()[0].endswith(PHRASES[0]), output
        if words[1:3] == ["phrases", "own"]:
            assert output.splitlines()[0].endswith("Ich habe Durst"), output
        for folder in ("out", "marked") if words[1] == "transcribe" else ():
            if (written := Path(folder) / "clip.srt").exists():
                assert "m five please" in written.read_text(encoding="utf-8").replace("\n", " ")
