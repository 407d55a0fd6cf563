"""The `vsr` command: one verb for each thing a user wants, each in `vsr/cli/commands/`, imported only when it is named.

`Program` is that command for any package with a `cli/commands` folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from textwrap import indent
from typing import Any, NoReturn

from vsr.cli.given_names import check_names
from vsr.cli.standard_streams import NOBODY_READS, leave_output, replace_closed_streams
from vsr.cli.unused_options import refuse_unused
from vsr.core.dependency_logs import quiet_warnings
from vsr.core.errors import WRONG_USAGE, VsrError
from vsr.core.interrupts import Interrupts
from vsr.core.machine import share_cores
from vsr.core.version import __version__

SECTIONS = {
    "read lips": (
        "transcribe", "live", "dictate", "inspect", "align", "find", "phrases", "encode",
        "sync", "speakers", "models", "import", "export", "push",
    ),
    "prepare a corpus": ("download", "prepare", "validate", "convert", "corrupt", "label", "crop", "waves", "tokens"),
    "train": ("teach", "train", "adapt", "average", "fuse", "lm"),
    "decode and score": (
        "decode", "calibrate", "posteriors", "rescore", "restore", "combine", "score", "expert", "results",
    ),
}  # fmt: skip
FAILS = "one line on stderr says why, and nothing half-written is left"


@dataclass(frozen=True)
class Program:
    """A command with verbs.

    A verb is a module in `commands`: `HELP`, one line; its manual, `ABOUT`, `FILES`, `SEE`, `EXAMPLE` and, where a
    failure is something of its own, `FAILS`; the functions `add_arguments` and `run`; `STREAMS`, where ``-o -`` is
    standard output; and, where some options work only with others, `unused(args)`: those that this call does not heed
    -> where they work (`vsr.cli.unused_options`).

    Args:
        name: of the command and of the package whose `cli/commands` folder holds the verbs.
        purpose: one sentence for --help.
        sections: headings of --help -> verbs; the first verb of all is what most users want.
        example: one line for --help.
    """

    name: str
    purpose: str
    sections: dict[str, tuple[str, ...]]
    example: str

    @property
    def verbs(self) -> tuple[str, ...]:
        """All verbs, in the order of --help."""
        return tuple(verb for verbs in self.sections.values() for verb in verbs)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run one verb; returns the exit status: 0 done, 1 failed, 2 wrong usage, 128 + the signal that ended it."""
        share_cores()
        replace_closed_streams()
        with Interrupts() as interrupts, quiet_warnings():
            try:
                return self._run(list(sys.argv[1:] if argv is None else argv))
            except BaseException as error:
                interrupts.settle()
                if interrupts.number or isinstance(error, KeyboardInterrupt):  # which may have become another error
                    return self.complain(str(interrupts), interrupts.status)
                return self.failed(error)

    def _run(self, argv: list[str]) -> int:
        """Run one verb; what cannot be written is told here, and not by Python when it ends. Raises OSError."""
        try:
            status = self.dispatch(argv)
        except SystemExit:  # of a page of help
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return status

    def failed(self, error: BaseException) -> int:
        """Say what went wrong and return the exit status; raises an error that nobody has foreseen."""
        if isinstance(error, VsrError):
            return self.complain(str(error), 2 if error.reason == WRONG_USAGE else 1)
        if isinstance(error, BrokenPipeError):
            leave_output()
            return NOBODY_READS
        if isinstance(error, OSError):
            from vsr.core.atomic import FULL

            what = error.strerror or str(error)
            if error.errno in FULL and not error.filename:  # files that are written are named by who writes them
                what += ": standard output, or the folder of temporary files"
                leave_output()
            return self.complain(f"{error.filename}: {what}" if error.filename else what, 1)
        raise error

    def complain(self, message: str, status: int) -> int:
        """One line on stderr, unless the terminal has gone."""
        with suppress(OSError):
            print(f"{self.name}: " + " ".join(message.split()), file=sys.stderr, flush=True)
        return status

    def dispatch(self, argv: list[str]) -> int:
        """Parse the verb, then its own options."""
        if argv[:1] == ["help"]:
            argv = [*argv[1:2], "--help"]
        if not argv or argv[0] in ("-h", "--help"):
            print(self.overview())
            return 0 if argv else 2
        if argv[0] in ("-V", "--version"):
            print(f"{self.name} {__version__}")
            return 0
        if argv[0] not in self.verbs:
            return self.complain(self.unknown(argv[0]), 2)
        command, parser = self.command(argv[0]), self.parser(argv[0])
        # Files may follow options; behind a --, which that reading loses, all are files.
        args = parser.parse_args(argv[1:]) if "--" in argv else parser.parse_intermixed_args(argv[1:])
        check_names(args, getattr(command, "STREAMS", False))
        if hasattr(command, "unused"):
            refuse_unused(parser, args, command.unused(args))
        return command.run(args) or 0

    def unknown(self, word: str) -> str:
        """What to say to somebody who gives ``word`` for a verb."""
        from difflib import get_close_matches

        if os.path.isfile(word):
            return f"'{word}' is a file, not a verb; did you mean '{self.name} {self.verbs[0]} {word}'?"
        near = get_close_matches(word, self.verbs, 1)
        advice = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.verbs)}"
        return f"unknown verb '{word}'; {advice}"

    def command(self, verb: str):
        """The module of a verb."""
        return import_module(f"{self.name}.cli.commands.{verb}")

    def parser(self, verb: str) -> argparse.ArgumentParser:
        """The parser of a verb; its --help is the verb's manual."""
        command = self.command(verb)
        parser = Parser(
            prog=f"{self.name} {verb}",
            description=f"{command.HELP}\n\n{command.ABOUT}",
            epilog=self.manual(command),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(parser)
        return parser

    def manual(self, command) -> str:
        """What stands below the options of a verb."""
        status = (
            f"0    done\n1    failed: {getattr(command, 'FAILS', FAILS)}\n2    wrong usage\n"
            "130  interrupted (143: by SIGTERM, 129: by SIGHUP, 141: nobody reads what is printed)"
        )
        parts = {"files": command.FILES, "exit status": status, "examples": command.EXAMPLE, "see also": command.SEE}
        return "\n\n".join(f"{title}:\n{indent(text, '  ')}" for title, text in parts.items())

    def overview(self) -> str:
        """What --help prints without a verb."""
        rows = "\n".join(f"{title}:\n{self._rows(verbs)}" for title, verbs in self.sections.items())
        return (
            f"usage: {self.name} VERB ...   ({self.name} VERB --help is the manual of one)\n\n"
            f"{self.purpose}\n\n{rows}\nexample:\n  {self.example}"
        )

    def _rows(self, verbs: tuple[str, ...]) -> str:
        return "".join(f"  {verb:<11} {self.command(verb).HELP}\n" for verb in verbs)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without all the options."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """A help page that cannot be written is told, which argparse passes over."""
        if file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Ends with exit status 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


VSR = Program("vsr", "Read lips: a silent video of a talking face becomes text.", SECTIONS, "vsr transcribe clip.mp4")
main = VSR.main
