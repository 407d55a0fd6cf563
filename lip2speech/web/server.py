"""The server's answer to signals: it ends what it is at, and the command then says by which, as all verbs do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from vsr.core.interrupts import SIGNALS


class Server(uvicorn.Server):
    """One that SIGHUP ends, too, and that leaves a signal alone which its caller has set to be ignored, as a shell does
    with SIGINT for what a script starts behind an ``&``."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves, signals ask it to end; the last is sent again when it has ended."""
        came: list[int] = []

        def ask(number: int, frame: FrameType | None) -> None:
            self.force_exit = bool(came) and number == signal.SIGINT
            self.should_exit = True
            came.append(number)

        main = threading.current_thread() is threading.main_thread()  # no other may answer signals
        numbers = [getattr(signal, name) for name in SIGNALS if main and hasattr(signal, name)]
        kept = {own: signal.signal(own, ask) for own in numbers if signal.getsignal(own) is not signal.SIG_IGN}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        for number in came[-1:]:
            signal.raise_signal(number)
