#!/usr/bin/env python3
"""Run a command on this machine and keep its log, like Kaldi's run.pl. See jobs.py for the command line.

The output of a single job is also shown on the screen; of several jobs (JOB=1:N, at most --max-jobs-run at a time) it
goes only to the logs. Logs are appended to, so that earlier attempts of a training stay in them. The exit status is the
job's own, or 1 if one of several failed. Options that only a cluster needs are ignored.
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
complaints: list[bytes] = []  # the first line on stderr of a job that is shown on the screen


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
    max_jobs = int(work.options.get("max-jobs-run", os.cpu_count() or 1))
    with ThreadPoolExecutor(max(1, max_jobs)) as pool:
        statuses = list(pool.map(lambda number: run(work, number, shown=False), work.numbers))
    work.report([number for number in work.numbers if statuses[number - work.first]])
    return int(any(statuses))


def run(work: Work, number: int, shown: bool) -> int:
    """Run one job and write its log; returns its exit status."""
    if stopped.is_set():
        return 143
    path, command, start_time = work.log_of(number), work.command_of(number), time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab", buffering=0) as log:
        log.write(head(command).encode())
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            note = f"{work.program}: {command[0]}: {error.strerror}\n".encode()
            log.write(note)
            if shown:
                print_line(note, sys.stderr.buffer)
            status = 127
        else:
            running.add(process)
            status = follow(process, log, shown)
            running.discard(process)
        log.write(tail(time.monotonic() - start_time, status).encode())
    return status


def follow(process: subprocess.Popen, log, shown: bool) -> int:
    """Copy the output of a process until it ends; returns its exit status, or 128 + the signal that ended it."""
    streams = ((process.stdout, sys.stdout.buffer), (process.stderr, sys.stderr.buffer))
    copies = [
        threading.Thread(target=copy, args=(source, log, shown and screen), daemon=True) for source, screen in streams
    ]
    for thread in copies:
        thread.start()
    status = process.wait()
    for thread in copies:
        thread.join(5)  # a process left in the background may keep the pipe open
    return status if status >= 0 else 128 - status


def copy(source, log, screen) -> None:
    """Copy lines to the log and, if there is a ``screen``, to it."""
    for line in source:
        log.write(line)
        if screen:
            print_line(line, screen)


def print_line(line: bytes, screen) -> None:
    """Show a line on the screen, and note the first line on stderr: it tells why a job failed."""
    screen.write(line)
    screen.flush()
    if screen is sys.stderr.buffer and not complaints:
        complaints.append(line)


def stop(number: int, _frame) -> None:
    """Pass the signal on to the running jobs; waiting jobs are not started."""
    stopped.set()
    for process in list(running):
        process.send_signal(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
