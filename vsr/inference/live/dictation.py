"""Captions -> dictated text: words as soon as they stand, a line for each utterance, for programs that take text."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable

from vsr.core.errors import VsrError, cause_of, one_line
from vsr.inference.live.session import Caption
from vsr.output.transcript import TimedWord
from vsr.output.unsure import LEAST, MARK

PATIENCE = 60.0  # seconds for which a command may work on an utterance


class Dictation:
    """Writes what is said.

    Args:
        command: is run for each utterance, with its line as standard input; None: nothing is.
        hook: is run likewise, and what it prints takes the utterance's place, such as case and punctuation; words are
            then written when their utterance is over.
        unsure: what becomes of words that are not to be believed: "mark", "drop" or "keep".
        write: takes the text piece by piece; None: standard output.
    """

    def __init__(
        self, command: str | None = None, hook: str | None = None, unsure: str = "mark",
        write: Callable[[str], None] | None = None,
    ):  # fmt: skip
        self.command, self.hook = _words_of(command, "--command"), _words_of(hook, "--filter")
        self.unsure, self._write = unsure, write or _print
        self.lines: list[str] = []

    def follow(self, captions: Iterable[Caption]) -> None:
        """To the end of a session. Raises VsrError command_failed."""
        line: list[str] = []
        done = 0  # standing words of the utterance that are in its line
        for caption in captions:
            new = self._shown(caption.standing[done:], line)
            done = len(caption.standing)
            if new and not self.hook:
                self._write(" " * bool(line) + " ".join(new))
            line += new
            if caption.final:
                self._finish(" ".join(line))
                line, done = [], 0

    def _shown(self, words: Iterable[TimedWord], line: list[str]) -> list[str]:
        """The words as they are written behind a line; doubtful ones in a row share one mark."""
        found: list[str] = []
        for word in words:
            if word.confidence >= LEAST or self.unsure == "keep":
                found.append(word.word)
            elif self.unsure == "mark" and (line + found)[-1:] != [MARK]:
                found.append(MARK)
        return found

    def _finish(self, text: str) -> None:
        """The utterance is over."""
        if not text:
            return
        if self.hook:
            text = " ".join(run_with(self.hook, text).split())
            self._write(text)
        self._write("\n")
        self.lines.append(text)
        if self.command:
            run_with(self.command, text)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _words_of(command: str | None, option: str) -> list[str]:
    """A command line as its words. Raises VsrError bad_options."""
    try:
        words = shlex.split(command or "")
    except ValueError as error:
        raise VsrError("bad_options", f"{option} {command!r}: {one_line(error)}") from error
    if command is not None and not words:
        raise VsrError("bad_options", f"{option} is empty")
    return words


def run_with(command: list[str], text: str) -> str:
    """Run a command, no shell between, with a line as its standard input; what it prints. Raises VsrError."""
    try:
        answer = subprocess.run(
            command, input=text + "\n", stdout=subprocess.PIPE, encoding="utf-8", check=True, timeout=PATIENCE
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise VsrError("command_failed", f"{shlex.join(command)}: {_why(error)}") from error
    return answer.stdout


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    return cause_of(error, one_line(error))
