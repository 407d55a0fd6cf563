"""What a worker process is: it has its share of the cores, leaves Ctrl-C to its parent and never outlives it.

Asked to end, by SIGTERM or because the parent has died, it cleans up what it was at and goes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from vsr.core.machine import cores, share_cores
from vsr.core.quiet import leave_out_warnings

GRACE = 3.0  # seconds to clean up; then a process is ended
LOOK = 1.0  # seconds between two looks at whose child this is
PARENT = "VSR_PARENT"  # in the environment of the ranks that a training run starts: the number of its process


_at_work = False  # whether there is something to clean up


class Asked(SystemExit):
    """The worker is to end."""

    code: int


@contextmanager
def spawning() -> Iterator[None]:
    """Processes that are started inside do not hear Ctrl-C, not even while they load, when Python would answer it with
    a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what is blocked stays so in a new process
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker(jobs: int) -> None:
    """Begin one of ``jobs`` processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    share_cores(max(1, cores() // jobs))
    if not sys.warnoptions:
        leave_out_warnings()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.pid, [parent.sentinel]), daemon=True).start()


def ranks_follow() -> None:
    """Let the ranks that Fabric starts from here, which call this, too, end with this process."""
    own = str(os.getpid())
    first = os.environ.get(PARENT, own) if "LOCAL_RANK" in os.environ else own
    os.environ[PARENT] = first
    if first != own:
        threading.Thread(target=_follow, args=(int(first),), daemon=True).start()


def worked(work: Callable[[Any], Any], item: Any) -> Any:
    """``work(item)``; a worker that is asked to end meanwhile goes as soon as that is cleaned up."""
    global _at_work
    try:
        _at_work = True
        return work(item)
    except Asked as asked:
        os._exit(asked.code)
    finally:
        _at_work = False


def end(workers: list[multiprocessing.process.BaseProcess]) -> None:
    """End the workers, whatever they are at."""
    for worker in workers:
        worker.terminate()
    until = time.monotonic() + GRACE
    for worker in workers:
        if not wait([worker.sentinel], max(0.0, until - time.monotonic())):
            worker.kill()


def _leave(number: int, frame) -> None:
    """Raise where there is work to clean up; else go: while Python starts or ends, that would be a traceback."""
    if not _at_work:
        os._exit(128 + number)
    raise Asked(128 + number)


def _follow(parent: int, sentinels: Sequence = ()) -> None:
    """End this process when its parent is no more. The parent may well be process 1, as in a container: what counts
    is that it was another."""
    while os.getppid() == parent and not _wait(sentinels):
        pass
    if hasattr(signal, "pthread_kill"):
        os.kill(os.getpid(), signal.SIGTERM)
    else:  # Windows, where that would end the process before it has cleaned up
        signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def _wait(sentinels: Sequence) -> list:
    """Those that are ready, after a while at the latest; Windows cannot wait for none."""
    if sentinels:
        return wait(sentinels, LOOK)
    time.sleep(LOOK)
    return []
