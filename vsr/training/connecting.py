"""Before the ranks of an `srun` are connected: one that fails alone, as on a machine without its GPU, ends all of them.

Rank 0 serves the store by which the ranks are connected, and waits there for every rank, for half an hour. A rank that
fails says so in that store, where the others look meanwhile. (Under torchrun the launcher ends the others.)
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vsr.training.failures import Board, Watch
from vsr.training.slurm import SlurmStep

PATIENCE = 20.0  # seconds in which rank 0, which has started at the same time, serves its store if it has not failed


def tell_waiting(error: BaseException) -> None:
    """Tell the ranks of an `srun` that this one has failed; where rank 0 has failed too, nobody waits."""
    if SlurmStep.detect() and (board := _board(time.monotonic() + PATIENCE)):
        with suppress(RuntimeError):
            board.tell(error)
            board.wait()


@contextmanager
def ended_by_failures(program: str) -> Iterator[None]:
    """While this rank of an `srun` connects to the others, a failure of one of them ends this process."""
    connected = threading.Event()
    if SlurmStep.detect():
        threading.Thread(target=_look, args=(program, connected), daemon=True, name="ranks that fail early").start()
    try:
        yield
    finally:
        connected.set()


def _look(program: str, connected: threading.Event) -> None:
    board = None
    while board is None and not connected.wait(0.1):
        board = _board(time.monotonic() + 1)
    if board:
        watch = Watch(board, program)
        connected.wait()
        watch.left.set()


def _board(until: float) -> Board | None:
    """The store of the step, once rank 0 serves it; None if it does not ``until`` then."""
    step = SlurmStep()
    os.environ.setdefault("MASTER_ADDR", step.main_address)
    os.environ.setdefault("MASTER_PORT", str(step.main_port))
    while time.monotonic() < until:
        with suppress(OSError, RuntimeError):
            socket.create_connection((step.main_address, step.main_port), 1).close()
            return Board(step.global_rank(), step.world_size())
        time.sleep(0.2)
    return None
