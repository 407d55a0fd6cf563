"""README and docs/ stay correct: examples are run, commands parsed, reasons of errors compared with the code."""

import ast
import doctest
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests import local_hub
from tests.command_lines import PROGRAMS, check, command_lines
from tests.conftest import talking_face, write_video

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "egs").glob("*/*/*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# First words of lines that are not ours.
OTHERS = {"source", "export", "hf", "cd", "ray", "sbatch", "curl", "docker", "openssl"}


def blocks(page, *languages):
    return [code for language, code in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def declares(script, option):
    """Whether a program of a recipe takes an option: its own, or one of those that rigs share by their name."""
    return f'"{option}"' in script or re.search(rf"rig_parser\([^)]*\b{option[2:]}=", script)


def source_of(program):
    """A program's text, and that of the files beside it that it imports: they may declare its options."""
    text = program.read_text(encoding="utf-8")
    beside = [program.with_name(f"{name}.py") for name in re.findall(r"^from (\w+) import", text, re.MULTILINE)]
    return "\n".join([text, *(path.read_text(encoding="utf-8") for path in beside if path.is_file())])


def check_line(words, folder=ROOT):
    """Whether a line of a shell block could be typed, scripts of a recipe in its ``folder``: the program is there and
    takes these options."""
    words = words[1:] if words[0] == "python" and words[1].startswith("local/") else words
    first = words[0]
    if first in PROGRAMS or first == "torchrun":
        check(words)
    elif first == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(words[1:]) <= set(targets), words
    elif first.endswith(".sh"):
        options = [word for word in words[1:] if word.startswith("--")]
        script = (ROOT / first).read_text(encoding="utf-8")
        if "parse_options" in script:
            script = subprocess.run(["bash", ROOT / first, "--help"], capture_output=True, text=True, check=True).stdout
        assert all(re.search(rf"{option}\b", script) for option in options), words
    elif first.endswith("/bin/python"):
        script = source_of(ROOT / words[1])
        assert all(declares(script, word) for word in words[2:] if word.startswith("--")), words
    elif re.search(r"(^|/)local/\w+\.py$", first):
        script = source_of(folder / first)
        assert all(declares(script, word) for word in words if word.startswith("--")), words
    else:
        assert first in OTHERS or re.match(r"\w+=", first), words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page):
    for block in blocks(page, "sh"):
        for words in command_lines(block):
            check_line(words, page.parent)


def test_wrong_commands_are_found():
    wrong = "make tea", "vsr transcribe --hue a.mp4", "egs/grid/vsr/run.sh --tea 1", "ffmpeg -i a.mp4", "local/tea.py"
    for line in wrong:
        with pytest.raises((AssertionError, SystemExit, FileNotFoundError)):
            check_line(line.split())


@pytest.fixture
def example_folder(tmp_path, monkeypatch):
    """Go to a folder with the files that the examples name, with a hub that needs no network."""
    from vsr.media.audio import write_wave

    (tmp_path / "clip.mp4").symlink_to(ROOT / "demo" / "clip.mp4")
    write_video(tmp_path / "lips.mp4", talking_face(40))
    time = np.arange(3 * 16_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * time)) / 8
    write_wave(tmp_path / "someone.wav", hum.astype(np.float32))
    hub = local_hub.install(monkeypatch, tmp_path / "hub")
    hub.add("org/name", ROOT / "vsr" / "weights")
    hub.add("org/voice", ROOT / "lip2speech" / "weights")
    monkeypatch.chdir(tmp_path)


PYTHON = [page for page in PAGES if blocks(page, "python", "pycon")]


@pytest.mark.parametrize("page", PYTHON, ids=name_of)
def test_python_examples_print_what_they_show(page, example_folder):
    namespace = {"__name__": "example"}
    for code in blocks(page, "python", "pycon"):
        if not code.startswith(">>>"):
            exec(compile(code, name_of(page), "exec"), namespace)
            continue
        test = doctest.DocTestParser().get_doctest(code, namespace, name_of(page), str(page), 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        assert runner.run(test, clear_globs=False).failed == 0, name_of(page)
        namespace |= test.globs


def shows(shown, actual):
    """Whether ``actual`` has what a page shows, figures to a few hundredths; a page may leave out entries, or say
    "...".
    """
    if isinstance(shown, dict):
        return shown.keys() <= actual.keys() and all(shows(value, actual[key]) for key, value in shown.items())
    if isinstance(shown, list):
        return len(shown) <= len(actual) and all(map(shows, shown, actual))
    return shown == "..." or shown == (pytest.approx(actual, abs=0.03) if isinstance(shown, float) else actual)


def test_transcript_in_docs_is_that_of_the_demo(example_folder, capsys):
    from vsr.cli import main

    page = json.loads(blocks(ROOT / "docs" / "formats.md", "json")[0])
    assert main(["transcribe", "clip.mp4", "--format", "json"]) == 0
    actual = json.loads(capsys.readouterr().out)
    assert shows(page, actual) and page.keys() == actual.keys()
    assert not shows(page | {"model": "another"}, actual) and not shows(page | {"duration": 9.0}, actual)


def reasons_in_the_code():
    """Every reason that a VsrError is raised with, and the reasons of clips."""
    from vsr.core.errors import CLIP_REASONS

    reasons = set(CLIP_REASONS)
    for package in ("vsr", "lip2speech"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("VsrError", "failure"):
                    position = 0 if node.func.id == "VsrError" else 1
                    if isinstance(node.args[position], ast.Constant):
                        reasons.add(node.args[position].value)
    return reasons


def test_errors_page_explains_every_reason_and_no_other():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    explained = re.findall(r"^### (\w+)\n\n(.+)", page, re.MULTILINE)
    names = [name for name, _ in explained]
    assert set(names) ^ reasons_in_the_code() == set() and len(set(names)) == len(names)
    assert all(len(text) > 40 for _, text in explained)


LINK = re.compile(r'\]\(([^)#\s]+)[^)]*\)|src(?:set)?="([^"]+)"')


def test_links_lead_to_files():
    for page in PAGES:
        for path in map("".join, LINK.findall(page.read_text(encoding="utf-8"))):
            made_at_build = path.startswith(("http", "commands/", "model-cards/", "changes"))
            assert made_at_build or (page.parent / path).exists(), f"{name_of(page)}: {path}"


def test_figures_are_what_their_script_draws():
    script = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "data_flow.py")))
    for theme in (script.LIGHT, script.DARK):
        assert (script.IMAGES / f"data-flow-{theme.name}.svg").read_text("utf-8") == script.draw(theme)
    for row in (script.SEEN, script.READ, script.SPOKEN):
        assert all((ROOT / made_in).exists() for _, _, made_in in row)


def test_pages_build_without_warnings(tmp_path):
    pytest.importorskip("material", reason="make docs installs mkdocs-material")
    pytest.importorskip("mkdocstrings", reason="make docs installs mkdocstrings")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    manual = (tmp_path / "site" / "commands" / "vsr.html").read_text("utf-8")
    assert all(f'id="{verb}"' in manual for verb in PROGRAMS["vsr"].verbs)
