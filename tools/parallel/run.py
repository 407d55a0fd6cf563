#!/usr/bin/env python3
"""Run a command on this machine and keep its log: what Kaldi calls run.pl. See jobs.py for the command line.

One job shows its output on the screen as well; of several (JOB=1:N, at most --max-jobs-run at a time) each has its log
alone. A log is continued, so that the earlier tries of a training stay in it. The status is the job's own, 1 where one
of several failed. Options that only a cluster needs are ignored.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from jobs import Work, head, parse, tail

running: set[subprocess.Popen] = set()
stopped = threading.Event()
complaints: list[bytes] = []  # the first line that a job on the screen has said on stderr


def main(words: list[str]) -> int:
    """Run all jobs; returns the exit status."""
    work = parse(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    if not work.name:
        status = run(work, 1, shown=True)
        if status and not complaints:
            work.report([1])
        return status
    at_once = int(work.options.get("max-jobs-run", os.cpu_count() or 1))
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        ended = list(pool.map(lambda number: run(work, number, shown=False), work.numbers))
    work.report([number for number in work.numbers if ended[number - work.first]])
    return int(any(ended))


def run(work: Work, number: int, shown: bool) -> int:
    """One job, from the first to the last line of its log; returns its exit status."""
    if stopped.is_set():
        return 143
    path, command, begun = work.log_of(number), work.command_of(number), time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab", buffering=0) as log:
        log.write(head(command).encode())
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            note = f"{work.program}: {command[0]}: {error.strerror}\n".encode()
            log.write(note)
            if shown:
                show(note, sys.stderr.buffer)
            status = 127
        else:
            running.add(process)
            status = followed(process, log, shown)
            running.discard(process)
        log.write(tail(time.monotonic() - begun, status).encode())
    return status


def followed(process: subprocess.Popen, log, shown: bool) -> int:
    """Copy what a process says until it ends; returns its exit status, 128 + the signal that ended it."""
    streams = ((process.stdout, sys.stdout.buffer), (process.stderr, sys.stderr.buffer))
    copies = [threading.Thread(target=copy, args=(ours, log, shown and own), daemon=True) for ours, own in streams]
    for thread in copies:
        thread.start()
    status = process.wait()
    for thread in copies:
        thread.join(5)  # what a process has left behind may keep the pipe open
    return status if status >= 0 else 128 - status


def copy(source, log, screen) -> None:
    """Line by line into the log and, where there is a ``screen``, onto it."""
    for line in source:
        log.write(line)
        if screen:
            show(line, screen)


def show(line: bytes, screen) -> None:
    """A line on the screen; whoever complains there has said why it failed."""
    screen.write(line)
    screen.flush()
    if screen is sys.stderr.buffer and not complaints:
        complaints.append(line)


def stop(number: int, _frame) -> None:
    """End the jobs with the signal that this process got; what waits is not begun."""
    stopped.set()
    for process in list(running):
        process.send_signal(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
