"""Commands end cleanly by Ctrl-C, SIGTERM and SIGHUP, and no process outlives the one that started it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Pipe
from pathlib import Path

import pytest

from vsr.core import worker
from vsr.core.files import write_text
from vsr.core.interrupts import PATIENCE, Interrupts, check, postponed, settle
from vsr.core.pool import in_processes

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def start(*arguments):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *map(str, arguments)], text=True, env=env, **pipes)


def eventually(condition, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid):
    return [int(line) for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


PARENT = """
import os, sys, time
from pathlib import Path
from vsr.core.files import atomic_write
from vsr.core.pool import in_processes

def work(name):
    with atomic_write(name) as temporary:
        temporary.write_text("half")
        Path(name + ".pid").write_text(str(os.getpid()))
        time.sleep(600)

if __name__ == "__main__":
    names = [f"{sys.argv[1]}/{number}" for number in range(4)]
    if sys.argv[2] == "pool":
        list(in_processes(work, names, 2, str))
    else:
        from vsr.corpora.puppet import corpus
        corpus.make_chunk = work
        corpus._make_all(names, 2)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("kind", ["pool", "puppet"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent_and_leave_nothing_half_written(tmp_path, kind, number):
    write_text(tmp_path / "parent.py", PARENT)
    out = tmp_path / "out"
    out.mkdir()
    parent = start(tmp_path / "parent.py", out, kind)
    assert eventually(lambda: len([path for path in out.glob("*.pid") if path.read_text()]) == 2)
    workers = [int(path.read_text()) for path in out.glob("*.pid")]
    parent.send_signal(number)
    parent.communicate(timeout=120)  # ends only when nobody holds the pipes any more
    assert eventually(lambda: not any(map(alive, workers)))
    assert sorted(path.suffix for path in out.iterdir()) == [".pid", ".pid"]


def test_worker_whose_parent_is_process_1_keeps_running(monkeypatch):
    """As in a container: there, 1 does not mean that the parent has died."""
    calls, (sentinel, parents) = [], Pipe(duplex=False)
    monkeypatch.setattr(worker.os, "getppid", lambda: 1)
    monkeypatch.setattr(worker.os, "kill", lambda pid, number: calls.append(number))
    monkeypatch.setattr(worker.os, "_exit", lambda status: calls.append(status))
    monkeypatch.setattr(worker, "LOOK", 0.05)
    monkeypatch.setattr(worker, "GRACE", 0.0)
    follower = threading.Thread(target=worker._follow, args=(1, [sentinel]))
    follower.start()
    time.sleep(0.3)
    assert follower.is_alive() and not calls
    parents.close()
    follower.join(10)
    assert calls == [signal.SIGTERM, 128 + signal.SIGTERM]


RANKS = """
import os, subprocess, sys, time
from vsr.core.worker import ranks_follow
ranks_follow()
if "LOCAL_RANK" not in os.environ:
    os.environ["LOCAL_RANK"] = "0"
    ranks_follow()  # a second run in the same process
    second = subprocess.Popen([sys.executable, __file__], env={**os.environ, "LOCAL_RANK": "1"})
    print(second.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
def test_ranks_of_a_training_run_end_with_the_first(tmp_path):
    write_text(tmp_path / "ranks.py", RANKS)
    first = start(tmp_path / "ranks.py")
    rank = int(first.stdout.readline())
    assert alive(rank)
    first.kill()
    first.communicate(timeout=120)
    assert eventually(lambda: not alive(rank))


def number_and_process(item):
    time.sleep(0.2)
    return item, os.getpid()


def test_closing_one_pool_leaves_workers_of_another_alone():
    closed, other = (in_processes(number_and_process, range(8), 1, str) for _ in range(2))
    first = next(other)
    next(closed)
    closed.close()
    assert list(other) == [(item, first[1]) for item in range(1, 8)]


def test_sigterm_ends_a_command_with_workers_in_one_line_without_half_files(face_clip, tiny_model, tmp_path):
    clips = [tmp_path / f"{index}.mp4" for index in range(400)]
    for clip in clips:
        clip.symlink_to(face_clip)
    out = tmp_path / "out"
    command = ["-m", "vsr.cli", "transcribe", *clips, "--model", tiny_model, "--format", "json", "--jobs", 2, "-o", out]
    process = start(*command)
    assert eventually(lambda: out.is_dir() and list(out.glob("[0-9]*.json")))  # but not a file that is being written
    workers = children(process.pid)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # as `timeout` does
    out_text, err = process.communicate(timeout=120)
    assert (process.returncode, out_text, err) == (143, "", "vsr: ended by SIGTERM\n")
    assert len(workers) >= 2 and eventually(lambda: not any(map(alive, workers)))
    assert 0 < len(list(out.iterdir())) < len(clips)
    assert all(json.loads(path.read_text("utf-8"))["error"] is None for path in out.iterdir())


COMMAND = """
import sys, time
from vsr.cli import Program

class Slow(Program):
    def dispatch(self, argv):
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("cleaning", flush=True)
            time.sleep(float(argv[0]))
            print("clean", flush=True)

sys.exit(Slow("slow", "", {}, "").main())
"""


@pytest.mark.parametrize("number, status, message", [
    (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM"),
    (signal.SIGHUP, 129, "ended by SIGHUP"),
])  # fmt: skip
def test_signal_ends_a_command_cleanly_and_two_at_once_count_as_one(tmp_path, number, status, message):
    write_text(tmp_path / "slow.py", COMMAND)
    process = start(tmp_path / "slow.py", 0.5)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("clean\n", f"slow: {message}\n") and process.returncode == status


def test_second_signal_ends_a_long_clean_up(tmp_path):
    write_text(tmp_path / "slow.py", COMMAND)
    process = start(tmp_path / "slow.py", 600)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    time.sleep(PATIENCE + 0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("", "") and process.returncode == 143


def test_signal_ignored_by_the_caller_stays_ignored(tmp_path):
    write_text(tmp_path / "slow.py", COMMAND)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["nohup", sys.executable, tmp_path / "slow.py", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert "ready" in process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def swallows_interrupt():
    """As libraries do while they are loaded."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    except BaseException:
        return True


def test_swallowed_interrupt_is_raised_again():
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            assert swallows_interrupt()
            time.sleep(10)
        settle()
        time.sleep(0.6)  # and is not raised again once it has arrived
    assert interrupts.status == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_waits_is_not_reminded_and_a_reminder_that_is_overtaken_does_not_end_the_process(monkeypatch):
    monkeypatch.setattr(os, "_exit", lambda status: pytest.fail(f"ended with {status}"))
    monkeypatch.setattr(signal, "pthread_kill", lambda *call: pytest.fail("sent again"))
    with Interrupts() as interrupts:
        with postponed():
            interrupts._on_signal(signal.SIGTERM, None)  # the signal itself could end the process of the tests
            time.sleep(0.6)
            assert interrupts.number == signal.SIGTERM and not interrupts._is_reminder
            interrupts._since -= 2 * PATIENCE
            interrupts._is_reminder = True  # as the reminder sets it, before its signal arrives
            interrupts._on_signal(signal.SIGTERM, None)  # an earlier one, handled in between
            interrupts._on_signal(signal.SIGTERM, None)  # its own
        with pytest.raises(KeyboardInterrupt):
            check()
        settle()


def test_second_signal_ends_the_process_at_once_also_where_the_first_waits(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with Interrupts() as interrupts:
        with postponed():
            interrupts._on_signal(signal.SIGTERM, None)
            interrupts._since -= 2 * PATIENCE
            interrupts._on_signal(signal.SIGTERM, None)
        settle()
    assert ended == [143]


def test_error_caused_by_an_interrupt_counts_as_interrupt(monkeypatch, capsys):
    from vsr.cli import Program

    def fail(program, argv):
        assert swallows_interrupt()
        raise AttributeError("module 'numpy' has no attribute 'ma'")

    monkeypatch.setattr(Program, "dispatch", fail)
    assert Program("vsr", "", {}, "").main([]) == 130
    assert capsys.readouterr().err == "vsr: interrupted\n"


@pytest.mark.parametrize("when", ["atexit.register(ask)", "ask()", "threading._register_atexit(ask)"])
def test_idle_worker_ends_by_signal_without_output(when):
    """Also while Python ends, when an exception would be printed."""
    lines = "import atexit, os, signal, threading", "from vsr.core.worker import start_worker", "start_worker(1)"
    code = "\n".join((*lines, "def ask(): os.kill(os.getpid(), signal.SIGTERM)", when))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 128 + signal.SIGTERM and result.stderr == ""
