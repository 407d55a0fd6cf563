"""Work spread over processes; results come in the order of the items, and one bad item never stops the others."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from vsr.machine import cores, share_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int, lost: Callable[[Item], Result]
) -> Iterator[Result]:
    """Yield ``work(item)`` of every item, in order; ``lost(item)`` where the process that did it died.

    ``work`` is sent to fresh processes, so it is a function of a module, or a partial of one. What it raises ends the
    run.
    """
    done = 0
    while done < len(items):
        for result in _up_to_a_death(work, items[done:], jobs):
            yield result
            done += 1
        if done < len(items):
            # A dead process takes its pool along; the next item is tried alone, so that the culprit is known.
            alone = list(_up_to_a_death(work, items[done : done + 1], 1))
            yield alone[0] if alone else lost(items[done])
            done += 1


def _up_to_a_death(work: Callable, items: Sequence, jobs: int) -> Iterator:
    """Results in order, up to the first that is lost because a process died."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    pool = ProcessPoolExecutor(min(jobs, len(items)), context, start_worker, (jobs,))
    try:
        for future in [pool.submit(work, item) for item in items]:
            yield future.result()
    except BrokenProcessPool:
        return
    except BaseException:
        # Ctrl-C, or an item whose error ends the run: nobody waits for those still in work.
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker(jobs: int) -> None:
    """Begin one of ``jobs`` processes: it takes its share of the cores and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    share_cores(max(1, cores() // jobs))
