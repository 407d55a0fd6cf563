"""The manual of every verb is complete, names verbs that exist, and has examples that parse."""

import subprocess
import sys
from importlib import import_module

import pytest

from tests.command_lines import PROGRAMS, check, command_lines
from vsr import __version__

HEAVY = {"torch", "cv2", "mediapipe", "av", "numpy", "lightning", "scipy", "rich", "jiwer", "urllib.request"}
VERBS = [(program.name, verb) for program in PROGRAMS.values() for verb in program.verbs]


@pytest.mark.parametrize("name, verb", VERBS)
def test_verb_has_a_manual(name, verb):
    command = import_module(f"{name}.cli.commands.{verb}")
    missing = {"HELP", "ABOUT", "FILES", "EXAMPLE", "SEE"} - vars(command).keys()
    assert not missing, f"{name} {verb} lacks {missing}: see vsr.cli.Program"
    assert command.ABOUT[0].isupper() and command.ABOUT.endswith(".")
    assert [line.split()[0] for line in command.FILES.splitlines() if line[0] != " "] == ["reads", "writes"]
    for other in command.SEE.split(", "):
        program, neighbour = other.split()
        assert neighbour in PROGRAMS[program].verbs and other != f"{name} {verb}"


@pytest.mark.parametrize("name, verb", VERBS)
def test_examples_parse_and_one_is_of_the_verb(name, verb):
    lines = command_lines(import_module(f"{name}.cli.commands.{verb}").EXAMPLE)
    for words in lines:
        check(words)
    assert [name, verb] in [words[:2] for words in lines]


@pytest.mark.parametrize("name, verb", VERBS)
def test_help_fits_100_columns(name, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    page, _, examples = PROGRAMS[name].parser(verb).format_help().partition("examples:")
    assert all(len(line) <= 96 for line in page.splitlines())
    assert examples and "exit status:" in page and "files:" in page


@pytest.mark.parametrize("name", PROGRAMS)
def test_overview_names_every_verb_and_its_example_parses(name):
    program = PROGRAMS[name]
    overview = program.overview()
    assert len(set(program.verbs)) == len(program.verbs)
    assert all(f"\n  {verb} " in overview for verb in program.verbs)
    assert all(len(line) <= 96 for line in overview.splitlines())
    check(program.example.split())


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_version_is_printed(name, arguments, capsys):
    assert PROGRAMS[name].main(arguments) == 0
    assert capsys.readouterr().out == f"{name} {__version__}\n"


def test_help_verb_and_help_option_print_the_same(capsys):
    for arguments in (["help", "score"], ["score", "--help"]):
        with pytest.raises(SystemExit) as caught:
            PROGRAMS["vsr"].main(arguments)
        assert caught.value.code == 0
    first, second = capsys.readouterr().out.split("usage: ")[1:]
    assert first == second


def test_mistyped_verb_suggests_the_nearest(capsys, tmp_path):
    (tmp_path / "clip.mp4").touch()
    vsr = PROGRAMS["vsr"]
    assert [vsr.main([word]) for word in ("transcrib", str(tmp_path / "clip.mp4"), "qqq")] == [2, 2, 2]
    near, file, far = capsys.readouterr().err.splitlines()
    assert "did you mean 'transcribe'?" in near
    assert f"vsr transcribe {tmp_path / 'clip.mp4'}" in file
    assert ", ".join(vsr.verbs) in far


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_imports_nothing_heavy(program):
    """Of any verb; `urllib.request` imports the network's modules, which take as long as all of ours."""
    code = f"import sys; from {program}.cli import {program.upper()} as cli; print(cli.overview()); "
    code += "print(*map(str.__len__, (cli.parser(verb).format_help() for verb in cli.verbs))); "
    code += f"print({HEAVY} & {{*sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "set()"


def test_default_reader_in_help_is_the_one_that_is_loaded():
    from vsr.cli.options import READER
    from vsr.modelstore.folder import NAMES

    assert next(iter(NAMES)) == READER
