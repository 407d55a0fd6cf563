"""A command forked from the server behaves like a process of its own: pipes, folder, status, signals."""

import os
import signal
import subprocess
import time

import pytest

from tests.recipes.programs import how_to_begin, programs

if not hasattr(os, "pidfd_open"):
    pytest.skip("commands begin as users' do: this system has no pidfd", allow_module_level=True)
WAITS = """
import os, sys, time
from pathlib import Path

def main():
    Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(100)
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The folder of the commands."""
    monkeypatch.delenv("VSR_TESTS_COLD", raising=False)
    programs().put(tmp_path / "bin")
    return tmp_path / "bin"


def test_status_and_messages_equal_those_of_an_own_process(commands, tmp_path, monkeypatch):
    monkeypatch.setenv("VSR_TESTS_COLD", "1")
    programs().put(tmp_path / "cold")
    arguments = ["score", "--ref", "absent.jsonl", "--hyp", "x"]
    warm, cold = (
        subprocess.run([folder / "vsr", *arguments], cwd=tmp_path, capture_output=True, text=True)
        for folder in (commands, tmp_path / "cold")
    )
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert warm.returncode == 1 and "absent.jsonl" in warm.stderr
    assert subprocess.run([commands / "vsr", "juggle"], capture_output=True).returncode == 2


def waiting(tmp_path):
    """A command that waits, and its process id."""
    (tmp_path / "mine" / "cli").mkdir(parents=True)
    (tmp_path / "mine" / "cli" / "__main__.py").write_text(WAITS + "\nmain()\n", encoding="utf-8")
    command = subprocess.Popen(["sh", "-c", f"exec python3 {how_to_begin('mine')} number"], cwd=tmp_path)
    while not (tmp_path / "number").is_file() or not (tmp_path / "number").read_text():
        assert command.poll() is None
        time.sleep(0.02)
    return command, int((tmp_path / "number").read_text())


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_signal_to_the_caller_ends_the_command(commands, tmp_path, sign):
    command, number = waiting(tmp_path)
    command.send_signal(sign)
    assert command.wait() == -sign
    for _ in range(500):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("the command lives on")
