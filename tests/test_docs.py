"""README and docs/ cannot rot: examples are run, command lines parsed, reasons of errors compared with the code."""

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
# Words a line may begin with that are not ours.
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
def test_commands_could_be_typed(page):
    for block in blocks(page, "sh"):
        for words in command_lines(block):
            check_line(words, page.parent)


def test_lines_that_are_wrong_are_seen():
    wrong = "make tea", "vsr transcribe --hue a.mp4", "egs/grid/vsr/run.sh --tea 1", "ffmpeg -i a.mp4", "local/tea.py"
    for line in wrong:
        with pytest.raises((AssertionError, SystemExit, FileNotFoundError)):
            check_line(line.split())


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that examples name, and a hub that needs no network."""
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
def test_python_examples_do_what_they_show(page, desk):
    names = {"__name__": "example"}
    for code in blocks(page, "python", "pycon"):
        if not code.startswith(">>>"):
            exec(compile(code, name_of(page), "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(code, names, name_of(page), str(page), 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        assert runner.run(test, clear_globs=False).failed == 0, name_of(page)
        names |= test.globs


def shows(page, real):
    """Whether what a page shows is there, figures to within a few hundredths: the page may leave out, or say "..."."""
    if isinstance(page, dict):
        return page.keys() <= real.keys() and all(shows(own, real[key]) for key, own in page.items())
    if isinstance(page, list):
        return len(page) <= len(real) and all(map(shows, page, real))
    return page == "..." or page == (pytest.approx(real, abs=0.03) if isinstance(page, float) else real)


def test_the_transcript_on_the_page_is_the_one_of_the_demo(desk, capsys):
    from vsr.cli import main

    page = json.loads(blocks(ROOT / "docs" / "formats.md", "json")[0])
    assert main(["transcribe", "clip.mp4", "--format", "json"]) == 0
    real = json.loads(capsys.readouterr().out)
    assert shows(page, real) and page.keys() == real.keys()
    assert not shows(page | {"model": "another"}, real) and not shows(page | {"duration": 9.0}, real)


def reasons_in_the_code():
    """Every reason that a VsrError is made with, and the reasons of clips."""
    from vsr.core.errors import CLIP_REASONS

    found = set(CLIP_REASONS)
    for package in ("vsr", "lip2speech"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("VsrError", "failure"):
                    at = 0 if node.func.id == "VsrError" else 1
                    if isinstance(node.args[at], ast.Constant):
                        found.add(node.args[at].value)
    return found


def test_every_reason_of_an_error_is_explained_and_no_other():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    explained = re.findall(r"^### (\w+)\n\n(.+)", page, re.MULTILINE)
    names = [name for name, _ in explained]
    assert set(names) ^ reasons_in_the_code() == set() and len(set(names)) == len(names)
    assert all(len(text) > 40 for _, text in explained)


LINK = re.compile(r'\]\(([^)#\s]+)[^)]*\)|src(?:set)?="([^"]+)"')


def test_links_between_pages_and_files_are_whole():
    for page in PAGES:
        for path in map("".join, LINK.findall(page.read_text(encoding="utf-8"))):
            made_at_build = path.startswith(("http", "commands/", "model-cards/", "changes"))
            assert made_at_build or (page.parent / path).exists(), f"{name_of(page)}: {path}"


def test_the_frames_are_what_their_script_draws():
    script = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "data_flow.py")))
    for theme in (script.LIGHT, script.DARK):
        assert (script.IMAGES / f"data-flow-{theme.name}.svg").read_text("utf-8") == script.draw(theme)
    for row in (script.SEEN, script.READ, script.SPOKEN):
        assert all((ROOT / made_in).exists() for _, _, made_in in row)


def test_the_pages_are_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="make docs installs mkdocs-material")
    pytest.importorskip("mkdocstrings", reason="make docs installs mkdocstrings")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    answer = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    manual = (tmp_path / "site" / "commands" / "vsr.html").read_text("utf-8")
    assert all(f'id="{verb}"' in manual for verb in PROGRAMS["vsr"].verbs)
