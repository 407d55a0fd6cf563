"""The command: light help, every flag read, errors in one line, exit statuses."""

import ast
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lip2speech.cli import main as lip2speech
from vsr.cli import VSR, Program, distortion_options, enrolled_phrases, live_reader, main, transcribe_plan
from vsr.cli import search_options as flags
from vsr.cli.each_video import tell_error
from vsr.core.errors import VsrError

CLIP = Path(__file__).parents[1] / "demo" / "clip.mp4"
# groups of options that several verbs have, or that are of another file
SHARED = ("search", "language models", "machines", "own phrases", "distortion")
HEAVY = ("torch", "cv2", "mediapipe", "av", "numpy", "lightning", "scipy", "rich", "jiwer")


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")} >= {*VSR.verbs}


@pytest.mark.parametrize("verb", VSR.verbs)
def test_every_option_is_read_and_examples_are_shown(verb):
    command = import_module(f"vsr.cli.commands.{verb}")
    parser = VSR.parser(verb)
    source = inspect.getsource(command)
    if "add_search_arguments" in source or "add_language_arguments" in source:
        source += inspect.getsource(flags)
    source += inspect.getsource(transcribe_plan) if "videos_to_read" in source else ""
    source += inspect.getsource(live_reader) if "open_reader" in source else ""
    source += inspect.getsource(enrolled_phrases) if "add_enrolled_arguments" in source else ""
    source += inspect.getsource(distortion_options) if "add_distortion_arguments" in source else ""
    shared = [action for group in parser._action_groups if group.title in SHARED for action in group._group_actions]
    actions = [action for action in parser._actions if action.dest != "help"]
    assert 0 < len(actions) - len(shared) <= 17 and len(shared) <= 15
    for action in actions:
        use = re.search(rf"args\.{action.dest}\b", source)
        assert use, f"vsr {verb} declares {action.dest} and never reads it"
    assert f"vsr {verb}" in parser.format_help().split("examples:")[1]


def test_every_command_file_is_a_verb():
    files = {p.stem for p in Path(import_module("vsr.cli.commands.crop").__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(VSR.verbs)


@pytest.mark.parametrize("reason, status", [("bad_options", 2), ("bad_config", 1), ("bad_manifest", 1), ("exists", 1)])
def test_reason_decides_exit_status(reason, status, monkeypatch, capsys):
    """2 is for bad options."""

    def run(args):
        raise VsrError(reason, "no\nluck")

    monkeypatch.setattr("vsr.cli.commands.score.run", run)
    assert main(["score", "--ref", "r.jsonl", "--hyp", "h.jsonl"]) == status
    assert capsys.readouterr().err == "vsr: no luck\n"


def test_usage_error_is_2_and_other_error_is_1(capsys, tmp_path):
    assert main(["juggle"]) == 2
    assert main([]) == 2
    assert main(["score", "--ref", str(tmp_path / "no.jsonl"), "--hyp", "x"]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("vsr: cannot read ") and "no.jsonl: No such file" in error[-1]
    with pytest.raises(SystemExit) as caught:
        main(["crop", "--manifest"])
    assert caught.value.code == 2


def run_in_shell(arguments, streams):
    """Exit status and stderr of a command whose streams the shell closes or redirects."""
    command = f"{shlex.quote(sys.executable)} -m vsr.cli {arguments} {streams}"
    result = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True)
    return result.returncode, result.stderr


@pytest.mark.skipif(os.name != "posix", reason="closes streams by a shell")
def test_closed_streams_cause_no_other_error():
    message = "vsr: no.mp4: no such file\n"
    assert run_in_shell("phrases nowhere.txt no.mp4", "<&- >&-") == (1, message)
    assert run_in_shell("phrases nowhere.txt no.mp4", "<&- >&- 2>&-") == (1, "")


LOST = {
    ">&-": (1, "vsr: standard output is closed: what is printed would be lost\n"),
    ">/dev/full": (1, "vsr: No space left on device: standard output, or the folder of temporary files\n"),
    "| true; exit ${PIPESTATUS[0]}": (141, ""),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("streams", LOST)
@pytest.mark.parametrize("arguments", ["--version", "score --help"])
def test_output_that_cannot_be_printed_is_an_error(arguments, streams):
    """The exit status was 0 once, with nothing printed."""
    assert run_in_shell(arguments, streams) == LOST[streams]


def test_characters_the_screen_cannot_show_are_escaped(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["--version"]) == 0
    print("née \udcfc", end="", flush=True)
    assert screen.buffer.getvalue().endswith(b"n\\xe9e \\udcfc")


def test_interrupt_is_130(monkeypatch, capsys):
    def interrupted(program, argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(Program, "dispatch", interrupted)
    assert main(["--help"]) == 130
    assert capsys.readouterr().err == "vsr: interrupted\n"


def imports_of(path):
    """Modules that a file imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_commands_import_nothing_heavy():
    package = Path(import_module("vsr").__file__).parent
    for path in [package / "cli" / "__init__.py", *(package / "cli" / "commands").glob("*.py")]:
        assert not any(name.split(".")[0] in HEAVY for name in imports_of(path)), path


def test_stdout_need_not_be_a_file(monkeypatch):
    """As in a notebook."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stdout", screen)
    assert main(["--version"]) == 0 and screen.getvalue().startswith("vsr ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_standard_output_is_one_line(unbuffered):
    """It was "Exception ignored in ..." and exit status 120, or "[Errno 28]"."""
    command = [sys.executable, "-m", "vsr.cli", "--version"]
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": unbuffered}
        )
    assert result.returncode == 1 and result.stderr.startswith("vsr: No space left on device: standard output")
    assert result.stderr.count("\n") == 1


def test_after_two_dashes_everything_is_a_file():
    args = VSR.parser("transcribe").parse_args(["--model", "grid", "--", "-clip.mp4", "--model"])
    assert args.videos == ["-clip.mp4", "--model"] and args.model == "grid"
    assert main(["transcribe", "--model", "grid", "--", "-nowhere.mp4"]) == 1


@pytest.mark.parametrize(
    "command",
    [
        "vsr sync CLIP --out -",
        "vsr transcribe CLIP -o - --format json",
        "lip2speech speak CLIP -o -",
        "lip2speech speak CLIP -o v.wav --words -",
    ],
)
def test_dash_is_no_name_of_an_output(command, tmp_path, monkeypatch, capsys):
    """It would be a file called -, where other programs write to the screen."""
    monkeypatch.chdir(tmp_path)
    program, *arguments = command.replace("CLIP", str(CLIP)).split()
    assert {"vsr": main, "lip2speech": lip2speech}[program](arguments) == 2 and not list(tmp_path.iterdir())
    assert "is not standard output here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["transcribe", ""], ["transcribe", str(CLIP), "-o", ""], ["crop", "--manifest", "", "--out", "x"],
     ["crop", "--manifest", "x", "--out", ""], ["align", str(CLIP), "--text", "a", "-o", ""]],
)  # fmt: skip
def test_empty_name_is_not_the_current_folder(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2 and not list(tmp_path.iterdir())
    assert "is empty: give a name" in capsys.readouterr().err


def test_name_with_a_line_break_is_told_in_one_line(capsys):
    tell_error("no\nclip.mp4", VsrError("unreadable", "no\nclip.mp4: the file is empty"))
    assert capsys.readouterr().err == "vsr: no clip.mp4: the file is empty\n"
