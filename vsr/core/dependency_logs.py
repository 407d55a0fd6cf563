"""Keeps messages of dependencies out of standard error: warnings to developers, and the logs of mediapipe, whose C++
code writes them past every Python logger.

These logs go to file descriptor 2, which all threads and child processes share. So that descriptor is a pipe for a
moment: lines of the logs are dropped, and everything else is passed on.
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
STRAGGLERS = 0.2  # seconds for the rest of the pipe to arrive; a child process may keep the pipe open
_turn = threading.RLock()  # one thread at a time: two that swap the descriptor could lose the original
_depth = 0

if hasattr(os, "register_at_fork"):  # do not fork while the descriptor is a pipe: the child would lack its reader
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Hide warnings of libraries to developers, such as deprecations; -W and PYTHONWARNINGS show them."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            hide_warnings()
        yield


def hide_warnings() -> None:
    """Hide these warnings from now on, in a process of our own."""
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
        original = os.dup(2)
    except OSError:  # descriptor 2 is closed
        yield
        return
    source, pipe = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(source, original), daemon=True)
    reader.start()
    os.dup2(pipe, 2)
    os.close(pipe)
    try:
        yield
    finally:
        os.dup2(original, 2)
        reader.join(STRAGGLERS)


def _pass_on(source: int, target: int) -> None:
    """Copy all lines except the logs, until the pipe is closed."""
    with open(source, "rb") as lines, open(target, "wb", buffering=0) as output, suppress(OSError):
        for line in lines:
            if not LOGS.match(line):
                output.write(line)
