"""Dictation from captions: words as soon as they stand, one line per utterance, as input of other programs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable

from vsr.core.errors import VsrError, cause_of, one_line
from vsr.inference.live.session import Caption
from vsr.output.transcript import TimedWord
from vsr.output.unsure_words import LEAST, MARK

PATIENCE = 60.0  # time limit of a command per utterance, in seconds


class Dictation:
    """Writes the words of captions as text.

    Args:
        command: is run for each utterance, with its line as standard input; None: no command.
        hook: is run likewise, and its output replaces the utterance, for example to add case and punctuation; words
            are then written at the end of their utterance.
        unsure: handling of words with low confidence: "mark", "drop" or "keep".
        write: receives the text piece by piece; None: standard output.
    """

    def __init__(
        self, command: str | None = None, hook: str | None = None, unsure: str = "mark",
        write: Callable[[str], None] | None = None,
    ):  # fmt: skip
        self.command, self.hook = _words_of(command, "--command"), _words_of(hook, "--filter")
        self.unsure, self._write = unsure, write or _print
        self.lines: list[str] = []

    def follow(self, captions: Iterable[Caption]) -> None:
        """Follow a session to its end. Raises VsrError command_failed."""
        line: list[str] = []
        done = 0  # number of the utterance's standing words that are in its line
        for caption in captions:
            new = self._words_to_append(caption.standing[done:], line)
            done = len(caption.standing)
            if new and not self.hook:
                self._write(" " * bool(line) + " ".join(new))
            line += new
            if caption.final:
                self._finish(" ".join(line))
                line, done = [], 0

    def _words_to_append(self, words: Iterable[TimedWord], line: list[str]) -> list[str]:
        """The words as appended to a line; consecutive unsure words share one mark."""
        shown: list[str] = []
        for word in words:
            if word.confidence >= LEAST or self.unsure == "keep":
                shown.append(word.word)
            elif self.unsure == "mark" and (line + shown)[-1:] != [MARK]:
                shown.append(MARK)
        return shown

    def _finish(self, text: str) -> None:
        """Complete the line of an utterance."""
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
    """Split a command line into words. Raises VsrError bad_options."""
    try:
        words = shlex.split(command or "")
    except ValueError as error:
        raise VsrError("bad_options", f"{option} {command!r}: {one_line(error)}") from error
    if command is not None and not words:
        raise VsrError("bad_options", f"{option} is empty")
    return words


def run_with(command: list[str], text: str) -> str:
    """Run a command, without a shell, with a line as standard input; returns its output. Raises VsrError."""
    try:
        result = subprocess.run(
            command, input=text + "\n", stdout=subprocess.PIPE, encoding="utf-8", check=True, timeout=PATIENCE
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise VsrError("command_failed", f"{shlex.join(command)}: {_short_reason(error)}") from error
    return result.stdout


def _short_reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    return cause_of(error, one_line(error))
