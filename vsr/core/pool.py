"""Work spread over processes; an item that crashes its process does not stop the others."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from vsr.core.worker import end, ignore_interrupts_in_children, run_until_asked_to_end, start_worker

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2  # items per process that are submitted in advance: a corpus has a million


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int, on_crash: Callable[[Item], Result],
    ordered: bool = True,
) -> Iterator[Result]:  # fmt: skip
    """Yield ``work(item)`` for every item; ``on_crash(item)`` if its process died.

    In the order of the items, or with ``ordered`` False as they finish. ``work`` is sent to fresh processes, so it must
    be a function of a module, or a partial of one. An exception in it ends the run.
    """
    results = _run_all(work, enumerate(items), jobs, on_crash)
    return _in_order(results) if ordered else (result for _, result in results)


def _in_order(results: Iterator[tuple[int, Result]]) -> Iterator[Result]:
    early, due = {}, 0
    for number, result in results:
        early[number] = result
        while due in early:
            yield early.pop(due)
            due += 1


def _run_all(work: Callable, items: Iterator[tuple], jobs: int, on_crash: Callable) -> Iterator[tuple]:
    """(number, result) of every (number, item). A process that dies breaks its pool: the items that were running are
    then tried one by one, to find the culprit."""
    while True:
        suspects: list[tuple] = []
        yield from _pooled(work, items, jobs, suspects)
        if not suspects:
            return
        for number, item in suspects:
            crashed: list[tuple] = []
            yield from _pooled(work, iter([(number, item)]), 1, crashed)
            if crashed:
                yield number, on_crash(item)


def _pooled(work: Callable, items: Iterator[tuple], jobs: int, suspects: list[tuple]) -> Iterator[tuple]:
    """Run ``items`` in a pool until they end or a process dies; items then running are added to ``suspects``."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    pool = ProcessPoolExecutor(jobs, context, start_worker, (jobs,))
    try:
        running = _submit(pool, work, islice(items, AHEAD * jobs), suspects)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                try:
                    yield item[0], future.result()
                except BrokenProcessPool:
                    suspects.append(item)
            if not suspects:
                running |= _submit(pool, work, islice(items, len(done)), suspects)
    except BaseException:
        # Ctrl-C, or an exception that ends the run: do not wait for running items.
        end(list((pool._processes or {}).values()))  # of this pool alone; Python 3.14 has terminate_workers()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Callable, items: Iterator[tuple], suspects: list[tuple]) -> dict:
    """Future -> item for ``items``; items that a broken pool does not accept are added to ``suspects``."""
    running = {}
    for item in items:
        try:
            with ignore_interrupts_in_children():
                running[pool.submit(run_until_asked_to_end, work, item[1])] = item
        except BrokenProcessPool:
            suspects.append(item)
    return running
