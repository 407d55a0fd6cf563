"""Ctrl-C while a command is still being loaded: one line, as later (`vsr.core.interrupts`), and no traceback.

The first thing that `import vsr` does, and it needs nothing but `sys`. In a program of others nothing is changed.
"""

import sys

COMMANDS = ("vsr", "lip2speech")


def command(argv: list, orig_argv: list) -> str:
    """Which of the commands this process is, by its name or as ``python -m vsr.cli``; "" for another program."""
    own = str(argv[0]) if argv else ""
    if own == "-m" and "-m" in orig_argv[:-1]:
        package, _, module = str(orig_argv[orig_argv.index("-m") + 1]).partition(".")
        return package if package in COMMANDS and module == "cli" else ""
    name = own.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    return name if name in COMMANDS else ""


def answer_in_one_line() -> None:
    """Say so in one line where a command is interrupted before it has begun; Python then ends it by the signal."""
    name, others = command(getattr(sys, "argv", []), sys.orig_argv), sys.excepthook
    if not name:
        return

    def report(kind, error, trace) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            return others(kind, error, trace)
        if sys.stderr is not None:
            sys.stderr.write(f"{name}: interrupted\n")

    sys.excepthook = report
