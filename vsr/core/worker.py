"""Worker processes: each has its share of the cores, leaves Ctrl-C to its parent and never outlives it.

When asked to end, by SIGTERM or by the death of its parent, a worker cleans up and exits.
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

from vsr.core.dependency_logs import hide_warnings
from vsr.core.machine import cores, share_cores

GRACE = 3.0  # seconds to clean up, after which a process is killed
LOOK = 1.0  # seconds between checks of the parent
PARENT = "VSR_PARENT"  # environment variable of the ranks that a training run starts: its process id


_at_work = False  # whether there is something to clean up


class EndRequest(SystemExit):
    """The worker was asked to end."""

    code: int


@contextmanager
def ignore_interrupts_in_children() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C, even while they load, when Python would answer it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits the mask
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def start_worker(jobs: int) -> None:
    """Initialise one of ``jobs`` worker processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    share_cores(max(1, cores() // jobs))
    if not sys.warnoptions:
        hide_warnings()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.pid, [parent.sentinel]), daemon=True).start()


def ranks_follow() -> None:
    """End the ranks that Fabric starts from here together with this process; the ranks call this function, too."""
    this = str(os.getpid())
    main = os.environ.get(PARENT, this) if "LOCAL_RANK" in os.environ else this
    os.environ[PARENT] = main
    if main != this:
        threading.Thread(target=_follow, args=(int(main),), daemon=True).start()


def run_until_asked_to_end(work: Callable[[Any], Any], item: Any) -> Any:
    """``work(item)``; a worker that is asked to end meanwhile exits once its work is cleaned up."""
    global _at_work
    try:
        _at_work = True
        return work(item)
    except EndRequest as asked:
        os._exit(asked.code)
    finally:
        _at_work = False


def end(workers: list[multiprocessing.process.BaseProcess]) -> None:
    """End the workers, even while they work."""
    for worker in workers:
        worker.terminate()
    until = time.monotonic() + GRACE
    for worker in workers:
        if not wait([worker.sentinel], max(0.0, until - time.monotonic())):
            worker.kill()


def _leave(number: int, frame) -> None:
    """Raise if there is work to clean up; else exit: while Python starts or ends, raising would print a traceback."""
    if not _at_work:
        os._exit(128 + number)
    raise EndRequest(128 + number)


def _follow(parent: int, sentinels: Sequence = ()) -> None:
    """End this process when its parent is gone. The parent may be process 1, as in a container, so its id is compared
    with the original one."""
    while os.getppid() == parent and not _wait(sentinels):
        pass
    if hasattr(signal, "pthread_kill"):
        os.kill(os.getpid(), signal.SIGTERM)
    else:  # on Windows os.kill would end the process before it has cleaned up
        signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


def _wait(sentinels: Sequence) -> list:
    """The sentinels that are ready, within ``LOOK`` seconds; Windows cannot wait for an empty list."""
    if sentinels:
        return wait(sentinels, LOOK)
    time.sleep(LOOK)
    return []
