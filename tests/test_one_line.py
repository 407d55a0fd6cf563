"""A wrong option is one line, warnings of libraries are hidden, and options without effect are known."""

import subprocess
import sys

import pytest

from lip2speech.cli.commands import live, revoice, speak, synthesize
from lip2speech.models.flow_options import FlowOptions
from vsr.cli import main

FLOW = {"guidance", "solver", "temperature", "seed", "detail", "pull"}
WARNS = """
import sys, warnings, vsr.cli as cli
def dispatch(self, argv):
    warnings.warn("pkg_resources is deprecated as an API", UserWarning)
    for kind in (DeprecationWarning, FutureWarning, PendingDeprecationWarning):
        warnings.warn_explicit("goes away", kind, "library.py", 1)
    warnings.warn_explicit("something of ours", UserWarning, "ours.py", 1)
    return 0
cli.Program.dispatch = dispatch
sys.exit(cli.main(["transcribe"]))
"""


def stderr_of(*options):
    return subprocess.run([sys.executable, *options, "-c", WARNS], capture_output=True, text=True, check=True).stderr


def test_warnings_of_libraries_for_developers_are_hidden():
    assert "something of ours" in stderr_of() and "goes away" not in stderr_of()
    assert "pkg_resources" not in stderr_of() and "goes away" in stderr_of("-W", "always")


@pytest.mark.parametrize(
    "arguments", [["transcribe"], ["transcribe", "a.mp4", "--nosuch"], ["sync", "a", "--most", "x"]]
)
def test_wrong_option_is_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    verb = f"vsr {arguments[0]}"
    assert caught.value.code == 2 and line.startswith(f"{verb}: ") and line.endswith(f"; see {verb} --help")


@pytest.mark.parametrize(("verb", "arguments", "unused"), [
    (speak, ["clip.mp4", "-o", "x.wav", "--text", "none", "--reference", "own"], {"pull"}),
    (speak, ["clip.mp4", "-o", "x.wav", "--steps", "0", "--reference", "own"], FLOW),
    (speak, ["clip.mp4", "-o", "x.wav", "--tokens", "t"], {"guidance", "solver", "detail", "pull", "consent"}),
    (speak, ["clip.mp4", "-o", "x.wav"], {"consent"}),
    (live, ["0", "-o", "x.wav"], {"pull", "consent"}),
    (live, ["0", "-o", "x.wav", "--text", "read"], {"consent"}),
    (revoice, ["a.wav", "-o", "x.wav", "--reference", "own"], {"pull"}),
    (synthesize, ["--manifest", "m", "--features", "f", "--out", "o", "--text", "none"], {"pull"}),
])  # fmt: skip
def test_flow_options_without_effect_are_known(verb, arguments, unused):
    from lip2speech.cli import LIP2SPEECH

    args = LIP2SPEECH.parser(verb.__name__.rpartition(".")[2]).parse_args(arguments)
    assert set(verb.unused(args)) == unused and args.steps in (0, FlowOptions().steps)


def test_options_without_effect_on_copy_synthesis_are_known():
    from lip2speech.cli import LIP2SPEECH

    arguments = ["--manifest", "m", "--features", "f", "--out", "o", "--copy"]
    assert {"seed", "detail", "steps"} <= set(synthesize.unused(LIP2SPEECH.parser("synthesize").parse_args(arguments)))
