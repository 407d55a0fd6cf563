"""Ctrl-C while a command loads its first modules: one line, no traceback; in other programs nothing is changed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vsr.core.early_interrupt import command

ROOT = Path(__file__).parents[1]
SCRIPT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from {package}.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("name", "package", "module"),
    [("vsr", "vsr", "vsr.moved"), ("vsr", "vsr", "vsr.cli"), ("lip2speech", "lip2speech", "lip2speech.cli")],
)
def test_interrupt_is_one_line(tmp_path, name, package, module):
    script = tmp_path / name
    script.write_text(SCRIPT.format(package=package, module=module), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, env=environment)
    assert result.stderr == f"{name}: interrupted\n" and result.stdout == ""
    assert result.returncode in (-signal.SIGINT, 128 + signal.SIGINT)


def test_other_programs_keep_their_traceback(tmp_path):
    script = tmp_path / "other"
    script.write_text("import vsr\nraise KeyboardInterrupt\n", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("argv", "orig_argv", "name"),
    [
        (["/usr/bin/vsr", "transcribe"], [], "vsr"),
        (["C:\\bin\\lip2speech.exe"], [], "lip2speech"),
        (["-m"], ["python", "-m", "vsr.cli", "--help"], "vsr"),
        (["-m"], ["python", "-m", "pytest"], ""),
        (["-m"], ["python", "-m"], ""),
        (["train.py"], [], ""),
        ([], [], ""),
    ],
)
def test_only_our_programs_are_recognised(argv, orig_argv, name):
    assert command(argv, orig_argv) == name
