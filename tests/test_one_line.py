"""What a command prints beside its result is its own: one line for a wrong option, and no library's warnings."""

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


def printed_by(*options):
    return subprocess.run([sys.executable, *options, "-c", WARNS], capture_output=True, text=True, check=True).stderr


def test_warnings_of_libraries_to_their_developers_are_left_out():
    assert "something of ours" in printed_by() and "goes away" not in printed_by()
    assert "pkg_resources" not in printed_by() and "goes away" in printed_by("-W", "always")


@pytest.mark.parametrize("words", [["transcribe"], ["transcribe", "a.mp4", "--nosuch"], ["sync", "a", "--most", "x"]])
def test_a_wrong_option_is_one_line(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    verb = f"vsr {words[0]}"
    assert ended.value.code == 2 and line.startswith(f"{verb}: ") and line.endswith(f"; see {verb} --help")


@pytest.mark.parametrize(("verb", "given", "unheeded"), [
    (speak, ["clip.mp4", "-o", "x.wav", "--text", "none"], {"pull"}),
    (speak, ["clip.mp4", "-o", "x.wav", "--steps", "0"], FLOW),
    (speak, ["clip.mp4", "-o", "x.wav", "--tokens", "t"], {"guidance", "solver", "detail", "pull"}),
    (speak, ["clip.mp4", "-o", "x.wav"], set()),
    (live, ["0", "-o", "x.wav"], {"pull"}),
    (live, ["0", "-o", "x.wav", "--text", "read"], set()),
    (revoice, ["a.wav", "-o", "x.wav", "--reference", "own"], {"pull"}),
    (synthesize, ["--manifest", "m", "--features", "f", "--out", "o", "--text", "none"], {"pull"}),
])  # fmt: skip
def test_options_of_the_flow_that_a_call_does_not_heed_are_known(verb, given, unheeded):
    from lip2speech.cli import LIP2SPEECH

    args = LIP2SPEECH.parser(verb.__name__.rpartition(".")[2]).parse_args(given)
    assert set(verb.unused(args)) == unheeded and args.steps in (0, FlowOptions().steps)


def test_a_copy_draws_nothing():
    from lip2speech.cli import LIP2SPEECH

    words = ["--manifest", "m", "--features", "f", "--out", "o", "--copy"]
    assert {"seed", "detail", "steps"} <= set(synthesize.unused(LIP2SPEECH.parser("synthesize").parse_args(words)))
