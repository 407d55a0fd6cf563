"""An error that one of several ranks meets, wherever it happens, ends all of them, and rank 0 reports it in one line.

The ranks wait for one another in every step, so the others would wait for one that has failed for ever. A rank that
fails says so in the key-value store by which the ranks were connected. Each other rank reads that when its own
connection breaks, or, while it waits, in a thread, which then ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NoReturn

from vsr.core.errors import VsrError, one_line
from vsr.core.interrupts import Interrupts
from vsr.training.fabric import Fabric

FAILED, SEEN = "vsr/failed", "vsr/seen"  # keys of the store: the failure; the number of ranks that have seen it
LOOK, GRACE, PATIENCE = 1.0, 3.0, 10.0  # seconds between looks, for a rank to end by itself, for the others to see it
UNFORESEEN = "internal"  # reason of what is no VsrError
LOST = "rank 0 has ended without a word"  # killed, with the store that it held


class Board:
    """The store of the ranks, in which a failure is told; each rank has a connection of its own."""

    def __init__(self, rank: int, world: int):
        from torch.distributed import TCPStore

        self.rank, self.world = rank, world
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=PATIENCE))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun keeps its store when it starts again
        self.failed, self.seen = f"{FAILED}/{attempt}", f"{SEEN}/{attempt}"
        self.lock = threading.Lock()  # one request at a time on a connection

    def tell(self, error: BaseException) -> dict[str, Any]:
        """Tell the others of this rank's failure, unless another has failed before; returns the first one."""
        with self.lock:
            own = json.dumps({"rank": self.rank, **record_of(error)})
            return json.loads(self.store.compare_set(self.failed, "", own))

    def told(self) -> dict[str, Any] | None:
        """The failure that was told. Raises RuntimeError where the store is gone, with rank 0."""
        with self.lock:
            return json.loads(self.store.get(self.failed)) if self.store.check([self.failed]) else None

    def see(self) -> None:
        """Say that this rank knows of the failure."""
        with self.lock, suppress(RuntimeError):
            self.store.add(self.seen, 1)

    def wait(self) -> None:
        """Wait until the others have seen this rank's failure, so that none of them finds its connection broken."""
        until = time.monotonic() + PATIENCE
        with suppress(RuntimeError):
            while self.store.add(self.seen, 0) < self.world - 1 and time.monotonic() < until:
                time.sleep(0.1)


class Watch:
    """Looks at the board in a thread, and ends this process, in which Python may be waiting for another rank."""

    def __init__(self, board: Board, program: str):
        self.board, self.program, self.left = board, program, threading.Event()
        threading.Thread(target=self._look, daemon=True, name="failures of other ranks").start()

    def _look(self) -> None:
        while not self.left.wait(LOOK):
            try:
                failure = self.board.told()
            except RuntimeError:
                failure = {"rank": 0, "message": LOST, "status": 1}
            if failure and failure["rank"] != self.board.rank:
                self._end(failure)

    def _end(self, failure: dict[str, Any]) -> None:
        if self.left.wait(GRACE):  # this rank has found out itself
            return
        if failure["message"] == LOST or self.board.rank == 0:
            with suppress(OSError):
                print(f"{self.program}: {line_of(failure)}", file=sys.stderr, flush=True)
        self.board.see()
        os._exit(failure["status"])


def record_of(error: BaseException) -> dict[str, Any]:
    """What the other ranks are told of an error: reason, message, exit status."""
    if isinstance(error, VsrError):
        return {"reason": error.reason, "message": one_line(error), "status": 1}
    if isinstance(error, KeyboardInterrupt):
        asked = Interrupts.current
        return {
            "reason": UNFORESEEN,
            "message": str(asked or "interrupted"),
            "status": asked.status if asked else 130,
        }
    return {"reason": UNFORESEEN, "message": f"{type(error).__name__}: {one_line(error)}", "status": 1}


def line_of(failure: dict[str, Any]) -> str:
    """A failure as one line for the user."""
    return failure["message"] if failure["message"] == LOST else f"rank {failure['rank']}: {failure['message']}"


@contextmanager
def ranks_end_together(fabric: Fabric, program: str) -> Iterator[None]:
    """The work of one rank, in a ``program``; an error in it ends all ranks.

    On rank 0 the error of another one is raised as VsrError; the others end with status 1.
    """
    if fabric.world_size == 1:
        yield
        return
    board = Board(fabric.global_rank, fabric.world_size)
    watch = Watch(board, program)
    try:
        yield
    except SystemExit:  # all ranks end, and know it
        board.see()
        raise
    except BaseException as error:
        watch.left.set()
        try:
            failure = board.tell(error)
        except RuntimeError:  # rank 0 is gone, with the store
            raise error from None
        _leave(board, failure, error)
    finally:
        watch.left.set()


def _leave(board: Board, failure: dict[str, Any], error: BaseException) -> NoReturn:
    """End this rank after a failure, which may be its own."""
    if failure["rank"] == board.rank:
        board.wait()
        if board.rank == 0 or not isinstance(error, VsrError):
            raise error
        raise SystemExit(1) from error  # rank 0 has reported it
    board.see()
    if board.rank == 0 and isinstance(error, Exception):
        raise VsrError(failure["reason"], line_of(failure)) from error
    raise SystemExit(1) if isinstance(error, Exception) else error
