"""The `vsr` command: one verb for each thing a user wants, each in `vsr/commands/`, imported only when it is named."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from vsr import __version__
from vsr.errors import VsrError

VERBS = (
    "prepare", "crop", "tokens", "train", "average", "decode", "posteriors", "rescore",
    "score", "transcribe", "results",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        return dispatch(list(sys.argv[1:] if argv is None else argv))
    except VsrError as error:
        return complain(str(error), 1)
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)


def complain(message: str, status: int) -> int:
    """One line on stderr."""
    print("vsr: " + " ".join(message.split()), file=sys.stderr)
    return status


def dispatch(argv: list[str]) -> int:
    """Parse the verb, then its own options."""
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"vsr {__version__}")
        return 0
    if argv[0] not in VERBS:
        return complain(f"unknown verb '{argv[0]}'; known: {', '.join(VERBS)}", 2)
    command = import_module(f"vsr.commands.{argv[0]}")
    args = verb_parser(argv[0], command).parse_args(argv[1:])
    return command.run(args) or 0


def verb_parser(verb: str, command) -> argparse.ArgumentParser:
    """The parser of a verb, with its example at the end of --help."""
    example = "".join(f"  {line}\n" for line in command.EXAMPLE.splitlines())
    parser = argparse.ArgumentParser(
        prog=f"vsr {verb}",
        description=command.HELP,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return parser


def overview() -> str:
    """What `vsr --help` prints."""
    rows = "\n".join(f"  {verb:<11} {import_module(f'vsr.commands.{verb}').HELP}" for verb in VERBS)
    return (
        "usage: vsr VERB ...   (vsr VERB --help tells about one)\n\n"
        f"Read lips: a silent video of a talking face becomes text.\n\n{rows}\n\n"
        "example:\n  vsr transcribe clip.mp4"
    )


if __name__ == "__main__":
    sys.exit(main())
