"""The name of the distribution; no hint may install another project's package of a similar name."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORTED = ("vsr", "lip2speech")  # import names; on the public index the first is another project
SCANNED = (".py", ".md", ".sh", ".cfg", ".toml", ".yml", ".yaml", ".txt", ".html", ".cff", ".lock", "Makefile", "run")
REQUIREMENT = re.compile(r"(?<![\w./-])([A-Za-z0-9][\w.-]*)(?:\[([\w,. -]+)\])?")


def settings():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def wrong_hints(text, name, extras):
    """Lines of ``text`` that tell to install something under our import names, or an extra that is not there."""
    wrong = []
    for line in text.splitlines():
        command = re.search(r"\b(?:pip3?|uv) (?:install|download|add)\b([^`)]*)", line)
        requirements = list(REQUIREMENT.finditer(command[1].replace("'", " ").replace('"', " "))) if command else []
        bad = any(
            requirement[1] in IMPORTED or (requirement[1] == name and not _known(requirement[2], extras))
            for requirement in requirements
        )
        # `vsr[lm]` is a mistake anywhere: no package of that name has our extras
        extra = re.search(rf"\b({'|'.join(IMPORTED)})\[({'|'.join(extras)})[\],]", line)
        if bad or (extra and not line[: extra.start()].endswith("-")):
            wrong.append(line.strip())
    return wrong


def _known(requested, extras):
    return set((requested or "").replace(" ", "").split(",")) - {""} <= set(extras)


def sources():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    names = listed.stdout.split() if listed.returncode == 0 else ()
    paths = [ROOT / name for name in names] or [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in paths if path.name.endswith(SCANNED) and path.is_file() and path != Path(__file__)]


def test_distribution_name_is_no_import_name():
    name = settings()["metadata"]["name"]
    assert name == "vsr-lip2speech"
    assert name not in IMPORTED


def test_no_hint_names_a_package_of_another_project():
    name, extras = settings()["metadata"]["name"], settings()["options.extras_require"]
    wrong_lines = {
        path.relative_to(ROOT).as_posix(): wrong
        for path in sources()
        if (wrong := wrong_hints(path.read_text(encoding="utf-8", errors="replace"), name, extras))
    }
    assert len(sources()) > 300 and not wrong_lines


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("pip install vsr", True),
        ("pip install 'vsr[lm]'", True),
        ('"n-grams: pip install vsr[lm]"', True),
        ("uv pip install --upgrade lip2speech", True),
        ("needs the extra vsr[cluster]", True),
        ("pip install vsr-lip2speech[nothing]", True),
        ("pip install vsr-lip2speech[lm,web]", False),
        ("pip install 'vsr-lip2speech[lm]'", False),
        ("pip install ufal-kenlm", False),
        ("pip install -e .", False),
        ("pip install dist/vsr_lip2speech-0.1.0-py3-none-any.whl", False),
        ("vsr[0] of the list", False),
    ],
)
def test_scan_finds_wrong_hints_and_no_others(line, wrong):
    assert bool(wrong_hints(line, "vsr-lip2speech", ("lm", "web", "cluster"))) == wrong
