"""A server that ends on signals; the command then reports the signal, as all verbs do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from vsr.core.interrupts import SIGNALS


class Server(uvicorn.Server):
    """A server that also ends on SIGHUP, and respects signals that the caller ignores, as a shell does with SIGINT for
    background commands of a script."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While serving, signals request the end; the last one is raised again afterwards."""
        received: list[int] = []

        def request_exit(number: int, frame: FrameType | None) -> None:
            self.force_exit = bool(received) and number == signal.SIGINT
            self.should_exit = True
            received.append(number)

        main = threading.current_thread() is threading.main_thread()  # only the main thread may handle signals
        numbers = [getattr(signal, name) for name in SIGNALS if main and hasattr(signal, name)]
        handlers = {
            number: signal.signal(number, request_exit)
            for number in numbers
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        for number in received[-1:]:
            signal.raise_signal(number)
