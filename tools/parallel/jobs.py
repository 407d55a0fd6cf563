"""Command line shared by run.py and slurm.py, as in Kaldi's run.pl and slurm.pl.

    run.py [--num-threads N] [--gpu N] [--mem SIZE] [--max-jobs-run N] [JOB=FIRST:LAST] LOG COMMAND...

With JOB=1:4 the command runs four times; the word JOB, in the log's name and in the command, becomes 1, 2, 3, 4.
Standard library only: this runs with whatever Python a machine has.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ARRAY = re.compile(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?")


@dataclass(frozen=True)
class Work:
    """A parsed command line.

    Args:
        program: name of the calling program, for its messages.
        options: "num-threads" -> "2" and so on.
        name: the word that stands for a job's number; "": one job.
        first, last: the range of numbers.
        log: path of the log, which contains the word if there are several jobs.
        command: the words of the command.
    """

    program: str
    options: dict[str, str]
    name: str
    first: int
    last: int
    log: str
    command: tuple[str, ...]

    @property
    def numbers(self) -> range:
        """The numbers of all jobs."""
        return range(self.first, self.last + 1)

    def log_of(self, number: int) -> Path:
        """The log of one job."""
        return Path(self._put(self.log, str(number)))

    def command_of(self, number: int) -> list[str]:
        """The command of one job."""
        return [self._put(word, str(number)) for word in self.command]

    def _put(self, word: str, value: str) -> str:
        return re.sub(rf"(?<![A-Za-z0-9]){self.name}(?![A-Za-z0-9])", value, word) if self.name else word

    def complain(self, message: str) -> None:
        """Print one line on stderr."""
        print(f"{self.program}: {message}", file=sys.stderr, flush=True)

    def report(self, failed: list[int]) -> None:
        """Print one line that names the failed jobs and their logs."""
        if not self.name:
            self.complain(f"failed: see {self.log}")
        elif failed:
            logs = ", ".join(str(self.log_of(number)) for number in failed[:3]) + (", ..." if failed[3:] else "")
            self.complain(f"{len(failed)} of {len(self.numbers)} jobs failed: see {logs}")


def parse(words: list[str]) -> Work:
    """Parse a command line; wrong usage ends the program with one line and status 2."""
    program = Path(sys.argv[0]).name
    if words[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        sys.exit(0)
    options, rest = options_in(program, words)
    name, first, last = "", 1, 1
    if rest and (match := ARRAY.fullmatch(rest[0])):
        name, first = match[1], int(match[2])
        last = int(match[3] or first)
        if last < first:
            refuse(program, f"{rest[0]}: the last job comes before the first")
        del rest[0]
    if len(rest) < 2:
        refuse(program, "give a log file and a command; see --help")
    work = Work(program, options, name, first, last, rest[0], tuple(rest[1:]))
    if last > first and work.log_of(first) == work.log_of(last):
        refuse(program, f"the jobs would share {work.log}: put {name} into its name")
    return work


def options_in(program: str, words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leading options with their values, and the remaining words."""
    options, rest = {}, list(words)
    while rest and rest[0].startswith("--"):
        if len(rest) < 2:
            refuse(program, f"option {rest[0]} needs a value")
        options[rest[0][2:]] = rest[1]
        del rest[:2]
    return options, rest


def refuse(program: str, message: str) -> None:
    """Print one line and exit with status 2."""
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(2)


def head(command: list[str]) -> str:
    """The first lines of a log."""
    return f"# {shlex.join(command)}\n# Started at {now()}\n#\n"


def tail(seconds: float, status: int) -> str:
    """The last lines of a log."""
    return f"# Accounting: time={seconds:.0f} threads=1\n# Ended (code {status}) at {now()}\n"


def now() -> str:
    """Date and time, to the second."""
    return datetime.now().astimezone().isoformat(" ", "seconds")
