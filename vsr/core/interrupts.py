"""Ctrl-C, SIGTERM and SIGHUP end a command in the same way: by an exception, so that work in progress is cleaned up.

The exception may be lost or become another error: a library that is being loaded may catch everything, and Python
ignores errors in some places. So it is raised again until the command has received it.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
AGAIN = 0.25  # seconds until a lost exception is raised again
PATIENCE = 2.0  # seconds within which signals are one request: `timeout` sends two, one to the whole group
ECHO = 0.1  # seconds after a reminder within which a signal is another one, sent while the first was handled


class EndSignal(KeyboardInterrupt):
    """A signal asked the command to end."""


class Interrupts:
    """A context in which the signals that end a command raise `EndSignal` in the main thread.

    A further signal after `PATIENCE` ends the process at once. A signal that the caller ignores or handles itself is
    left alone. ``number`` is the signal received, None before; ``waits``: whether it is not raised yet.
    """

    current: Interrupts | None = None

    def __init__(self) -> None:
        self.number: int | None = None
        self.waits = False
        self._since, self._reminded = 0.0, 0.0
        self._is_reminder = False
        self._previous_handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._received = threading.Event()
        self._reminder: threading.Thread | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._previous_handlers[number] = signal.signal(number, self._on_signal)
        self._outer, Interrupts.current = Interrupts.current, self
        return self

    def __exit__(self, *error) -> None:
        self.settle()
        if self._reminder is not None:  # a reminder that is on its way must not meet the handlers of before
            self._reminder.join(1.0)
        Interrupts.current = self._outer
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
            if self.number is not None:  # another signal while Python shuts down would cause a traceback
                atexit.register(signal.signal, number, signal.SIG_IGN)

    @property
    def status(self) -> int:
        """The exit status of a command that was asked to end."""
        return 128 + (self.number or signal.SIGINT)

    def __str__(self) -> str:
        number = signal.Signals(self.status - 128)
        return "interrupted" if number == signal.SIGINT else f"ended by {number.name}"

    def settle(self) -> None:
        """Mark the request as received: nothing is raised any more."""
        self._received.set()

    def check(self) -> None:
        """Raise EndSignal if that was requested and has not been received."""
        if self.number and not self._received.is_set():
            raise EndSignal

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        is_reminder = self._is_reminder or now - self._reminded < ECHO
        if self._is_reminder:
            self._is_reminder, self._reminded = False, now
        if self.number is None:
            self.number, self._since = number, now
            self._reminder = threading.Thread(target=self._remind, args=(number,), daemon=True)
            self._reminder.start()
        elif not is_reminder and now - self._since > PATIENCE:
            os._exit(128 + number)
        if not (self.waits or _unwinding()):
            self.check()

    def _remind(self, number: int) -> None:
        """Send the signal again until the request has been received; what waits asks by itself."""
        while not self._received.wait(AGAIN):
            if self.waits:
                continue
            self._is_reminder = True
            main = threading.main_thread().ident
            if hasattr(signal, "pthread_kill") and main is not None:
                signal.pthread_kill(main, number)
            else:
                signal.raise_signal(number)


def settle() -> None:
    """Mark the request to end as received: the command ends in its own way."""
    if Interrupts.current is not None:
        Interrupts.current.settle()


@contextmanager
def postponed() -> Iterator[None]:
    """Within it a signal to end is not raised, so that the work can first be brought to a state that can be kept: it
    looks for one by `requested`, and then calls `check`."""
    interrupts = Interrupts.current
    if interrupts is None:
        yield
        return
    interrupts.waits = True
    try:
        yield
    finally:
        interrupts.waits = False


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Within it a library that is started may install handlers of signals; afterwards those of before are back."""
    if threading.current_thread() is not threading.main_thread():  # where Python installs none
        yield
        return
    handlers = {number: signal.getsignal(number) for name in SIGNALS if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # None: installed by other code than Python's
                signal.signal(number, handler)


def requested() -> bool:
    """Whether a signal has asked the command to end."""
    return Interrupts.current is not None and Interrupts.current.number is not None


def check() -> None:
    """Raise EndSignal if a signal may be the cause of an unforeseen error; called before it is reported as a fault."""
    if Interrupts.current is not None:
        Interrupts.current.check()


def _unwinding() -> bool:
    """Whether `EndSignal` is being handled already, with clean-up in progress."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, EndSignal):
        error = error.__context__
    return error is not None
