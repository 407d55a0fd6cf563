"""Commands that begin as forks of one process in which their packages are imported: a recipe runs a dozen of them.

``python -m tests.recipes.warm NAME PID`` imports, then forks for each command while process PID lives. A command has
the environment, folder, pipes, arguments, signals and exit status of who calls it, like any other process;
`warm_client.py` is what a recipe calls. ``VSR_TESTS_COLD=1`` begins each command as users do.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

TOP = Path(__file__).parents[2]
# What most commands of a run import; what is not installed is left out.
IMPORTS = (
    "vsr.cli", "lip2speech.cli", "mediapipe", "torch._dynamo", "torch.utils.tensorboard", "vsr.training.loop",
    "transformers.models.hubert.modeling_hubert", "sklearn.cluster", "scipy.signal", "resemblyzer", "pystoi", "pesq",
    "matplotlib.pyplot", "jiwer", "rich.progress", "skimage.transform",
)  # fmt: skip


def start_server() -> str:
    """Start the server of this run of tests, which all workers of pytest-xdist share; returns its name."""
    workers_of = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    name, keeper = (f"vsr-{workers_of}", os.getppid()) if workers_of else (f"vsr-{os.getpid()}", os.getpid())
    environment = os.environ | {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.recipes.warm", name, str(keeper)]
    subprocess.Popen(command, cwd=TOP, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    return name


def serve(name: str, keeper: int) -> None:
    """Fork for each command that is asked for while ``keeper`` lives; a second server of a name ends at once."""
    alive = os.pidfd_open(keeper)
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.bind(f"\0{name}")
        except OSError:
            return
        door.listen(64)
        for module in IMPORTS:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        check_alone()
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while alive not in select.select([door, alive], [], [])[0]:
            caller, _ = door.accept()
            if os.fork() == 0:
                door.close()
                attend(caller)
            caller.close()


def check_alone() -> None:
    """A fork has none of its parent's other threads, and all of the locks that they hold: it can wait for ever."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(f"{threads} threads after the imports of {__file__}: leave out what starts them, or VSR_TESTS_COLD=1")


def attend(caller: socket.socket) -> None:
    """Fork once more, and hand on signals and exit status between caller and command; a caller that is gone ends it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, pipes = receive(caller)
    command = os.fork()
    if command == 0:
        caller.close()
        run(request, pipes)
    for pipe in pipes:
        os.close(pipe)
    os.setpgid(command, command)
    end_of_command = os.pidfd_open(command)
    while end_of_command not in select.select([caller, end_of_command], [], [])[0]:
        signal_byte = caller.recv(1)
        os.killpg(command, signal_byte[0] if signal_byte else signal.SIGKILL)
        if not signal_byte:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    caller.sendall(str(status).encode())
    os._exit(0)


def receive(caller: socket.socket) -> tuple[dict, array.array]:
    """(argv, cwd, env as JSON, the caller's standard input, output and error)."""
    data, pipes, _, _ = socket.recv_fds(caller, 1 << 16, 3)
    length, _, rest = data.partition(b"\n")
    while len(rest) < int(length):
        rest += caller.recv(1 << 16)
    return json.loads(rest), pipes


def run(request: dict, pipes) -> None:
    """Become the command."""
    os.setpgid(0, 0)
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    package, *sys.argv[1:] = request["argv"]
    sys.path[0] = os.getcwd()
    random.seed()
    tempfile._name_sequence = None
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    os._exit(status_of(package))


def status_of(package: str) -> int:
    """Run ``python -m package.cli`` to its end, with all that Python does at the end of a process."""
    status: object = 0
    try:
        runpy.run_module(f"{package}.cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0) & 255


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
