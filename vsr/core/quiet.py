"""Standard error without what dependencies write there: warnings to developers, and the logs of mediapipe, whose C++
writes them past every Python logger.

Those go to file descriptor 2, which all threads and child processes share. So for a moment that descriptor is a pipe:
the lines of the logs are left out, and what others write is passed on.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

LOGS = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \S+:\d+\] |WARNING: (All log messages|Logging) before |"
    rb"INFO: (Created|Initialized) TensorFlow Lite"
)
STRAGGLERS = 0.2  # seconds that what is left in the pipe has to arrive; a child process may keep the pipe open
_turn = threading.RLock()  # one thread at a time: two that exchange the descriptor could leave it with neither's file
_depth = 0

if hasattr(os, "register_at_fork"):  # no process is forked while the descriptor is a pipe whose reader it would lack
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Leave out what libraries warn their developers of, such as names that go away; -W and PYTHONWARNINGS show it."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            leave_out_warnings()
        yield


def leave_out_warnings() -> None:
    """From now on, in a process of our own."""
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("ignore", message=".*pkg_resources", category=UserWarning)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Leave mediapipe's logs out of the process's standard error."""
    global _depth
    with _turn:
        _depth += 1
        try:
            with _filtered() if _depth == 1 else nullcontext():
                yield
        finally:
            _depth -= 1


@contextmanager
def _filtered() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # closed: nobody reads it
        yield
        return
    source, pipe = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(source, kept), daemon=True)
    reader.start()
    os.dup2(pipe, 2)
    os.close(pipe)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        reader.join(STRAGGLERS)


def _pass_on(source: int, target: int) -> None:
    """Copy lines but the logs, until nobody can write any more."""
    with open(source, "rb") as lines, open(target, "wb", buffering=0) as passed, suppress(OSError):
        for line in lines:
            if not LOGS.match(line):
                passed.write(line)
