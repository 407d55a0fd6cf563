"""The commands `vsr` and `lip2speech` for recipes under test: each call is a fork of one process that has loaded the
libraries, so that a recipe of 25 commands does not load PyTorch 25 times.

A fork gets the caller's words, folder, environment and streams, its exit status is the caller's, and it ends with it.
"""

import array
import atexit
import fcntl
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

TOP = Path(__file__).parents[2]
LOADED = (
    "torch", "lightning.fabric", "cv2", "mediapipe", "jiwer", "sentencepiece", "yaml", "torch.utils.tensorboard",
    "rich.progress", "vsr.inference.transcriber", "vsr.training.lipreader", "vsr.training.landmarks",
    "vsr.training.averaging", "vsr.decoding.corpus", "vsr.data.cropping", "vsr.face.mouth_crop",
    "vsr.corpora.puppet.corpus", "vsr.data.validation", "lip2speech.training.acoustic",
    "lip2speech.training.vocoder", "lip2speech.evaluation.corpus", "lip2speech.features.corpus",
    "lip2speech.inference.synthesizer", "lip2speech.evaluation.plots", "transformers",
    "transformers.models.hubert.modeling_hubert", "pystoi", "pesq", "pyworld", "resemblyzer", "speechmos.dnsmos",
    "pocketsphinx", "matplotlib.pyplot", "sklearn.cluster", "librosa.effects", "librosa.core.audio",
    "librosa.feature.spectral",
)  # fmt: skip
CLIENT = """#!{python} -IS
import array, json, os, socket, sys, time
while not os.path.exists({address!r}):
    time.sleep(0.05)
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(json.dumps([{package!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
sys.exit(int(server.makefile().readline() or 70))
"""


class Programs:
    """The process that has all loaded; ``put`` writes the commands into a folder. It ends with this one."""

    def __init__(self, folder: Path):
        self.address = str(folder / "programs")
        atexit.register(self.close)
        environment = os.environ | {"PYTHONPATH": str(TOP), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "tests.recipes.programs", self.address]
        self.process = subprocess.Popen(words, env=environment, cwd=TOP, stderr=subprocess.DEVNULL)

    def put(self, folder: Path) -> None:
        """Executables `vsr` and `lip2speech`."""
        assert self.process.poll() is None, "the process of the programs has ended"
        folder.mkdir(parents=True, exist_ok=True)
        for package in ("vsr", "lip2speech"):
            text = CLIENT.format(python=sys.executable, address=self.address, package=package)
            (folder / package).write_text(text, encoding="utf-8")
            (folder / package).chmod(0o755)

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


@cache
def programs() -> Programs:
    """The one of this session."""
    return Programs(Path(tempfile.mkdtemp()))


def serve(address: str) -> None:
    """Load what commands need, then fork for every connection."""
    for name in LOADED:
        try:
            import_module(name)
        except ImportError:  # optional packages: a command that needs one says so itself
            continue
    methods = multiprocessing.get_context
    # Worker processes of a command begin as it did itself: it has no threads yet.
    multiprocessing.get_context = lambda method=None: methods("fork" if method == "spawn" else method)
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{address}.new")
    server.listen()
    os.rename(f"{address}.new", address)
    while True:
        connection = server.accept()[0]
        with suppress(ChildProcessError):  # those that have ended since
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not os.fork():
            server.close()
            run(connection)
        connection.close()


def run(connection: socket.socket) -> None:
    """One command, in the fork; never returns."""
    streams = array.array("i")
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    package, words, folder, environment = json.loads(connection.makefile().readline())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    # Whoever ends the caller ends its fork: the connection's end is a SIGTERM.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [package, *words]
    status = 70
    try:
        status = import_module(f"{package}.cli").main(words)
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else int(bool(leave.code))
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) & ~os.O_ASYNC)
    with suppress(OSError):
        connection.sendall(f"{status or 0}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
