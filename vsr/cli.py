"""The `vsr` command: one verb for each thing a user wants, each in `vsr/commands/`, imported only when it is named.

`Program` is that command for any package with a `commands` folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from vsr import __version__
from vsr.errors import VsrError

VERBS = (
    "download", "prepare", "validate", "crop", "convert", "tokens", "train", "average", "lm", "decode",
    "posteriors", "rescore", "score", "transcribe", "inspect", "results", "import",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A command with verbs.

    Args:
        name: of the command and of the package whose `commands` folder holds the verbs.
        purpose: one sentence for --help.
        verbs: in the order of --help.
        example: one line for --help.
    """

    name: str
    purpose: str
    verbs: tuple[str, ...]
    example: str

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run one verb; returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
        try:
            return self.dispatch(list(sys.argv[1:] if argv is None else argv))
        except VsrError as error:
            return self.complain(str(error), 1)
        except KeyboardInterrupt:
            return self.complain("interrupted", 130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            return self.complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)

    def complain(self, message: str, status: int) -> int:
        """One line on stderr."""
        print(f"{self.name}: " + " ".join(message.split()), file=sys.stderr)
        return status

    def dispatch(self, argv: list[str]) -> int:
        """Parse the verb, then its own options."""
        if not argv or argv[0] in ("-h", "--help"):
            print(self.overview())
            return 0 if argv else 2
        if argv[0] == "--version":
            print(f"{self.name} {__version__}")
            return 0
        if argv[0] not in self.verbs:
            return self.complain(f"unknown verb '{argv[0]}'; known: {', '.join(self.verbs)}", 2)
        args = self.parser(argv[0]).parse_args(argv[1:])
        return self.command(argv[0]).run(args) or 0

    def command(self, verb: str):
        """The module of a verb."""
        return import_module(f"{self.name}.commands.{verb}")

    def parser(self, verb: str) -> argparse.ArgumentParser:
        """The parser of a verb, with its example at the end of --help."""
        command = self.command(verb)
        example = "".join(f"  {line}\n" for line in command.EXAMPLE.splitlines())
        parser = argparse.ArgumentParser(
            prog=f"{self.name} {verb}",
            description=command.HELP,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(parser)
        return parser

    def overview(self) -> str:
        """What --help prints without a verb."""
        rows = "\n".join(f"  {verb:<11} {self.command(verb).HELP}" for verb in self.verbs)
        return (
            f"usage: {self.name} VERB ...   ({self.name} VERB --help tells about one)\n\n"
            f"{self.purpose}\n\n{rows}\n\nexample:\n  {self.example}"
        )


VSR = Program(
    "vsr", "Read lips: a silent video of a talking face becomes text.", VERBS, "vsr transcribe clip.mp4"
)
main = VSR.main


if __name__ == "__main__":
    sys.exit(main())
