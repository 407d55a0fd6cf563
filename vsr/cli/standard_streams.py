"""The streams of a command: what cannot be written to standard output is told and not lost in silence."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from contextlib import suppress
from typing import IO

NOBODY_READS = 128 + int(getattr(signal, "SIGPIPE", 13))  # the exit status of a command whose reader has gone


class ClosedOutput(io.TextIOBase):
    """Stands for a standard output that the caller has closed (``>&-``): nothing can be written to it."""

    def write(self, text: str, /) -> int:
        """Raises OSError for any text."""
        if text:
            raise OSError(errno.EBADF, "standard output is closed: what is printed would be lost")
        return 0


def replace_closed_streams() -> None:
    """A stream that the caller has closed leads nowhere, and never into a file that takes its number; what the
    encoding of the screen lacks, or what is no UTF-8 in a file's name, is escaped."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115  open till the end
            _kept.append(nowhere)
            setattr(sys, name, ClosedOutput() if name == "stdout" else nowhere)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a notebook's is none
        sys.stdout.reconfigure(errors="backslashreplace")


_kept: list[IO[str]] = []  # holds the numbers of closed streams


def leave_output() -> None:
    """What waits to be written where nothing can be goes nowhere, so that Python does not try it again at its end."""
    with suppress(OSError):  # what stands for it in a notebook has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
