"""Ctrl-C while a command is still being loaded: one line, as later (`vsr.core.interrupts`), and no traceback.

`import vsr` runs this first, and it needs nothing but `sys`. In other programs nothing is changed.
"""

import sys

COMMANDS = ("vsr", "lip2speech")


def command(argv: list, orig_argv: list) -> str:
    """The command that this process runs, by its name or as ``python -m vsr.cli``; "" for another program."""
    program = str(argv[0]) if argv else ""
    if program == "-m" and "-m" in orig_argv[:-1]:
        package, _, module = str(orig_argv[orig_argv.index("-m") + 1]).partition(".")
        return package if package in COMMANDS and module == "cli" else ""
    name = program.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    return name if name in COMMANDS else ""


def answer_in_one_line() -> None:
    """Report an interrupt before the command has begun in one line; Python then ends the process by the signal."""
    name, previous_hook = command(getattr(sys, "argv", []), sys.orig_argv), sys.excepthook
    if not name:
        return

    def report(kind, error, trace) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            return previous_hook(kind, error, trace)
        if sys.stderr is not None:
            sys.stderr.write(f"{name}: interrupted\n")

    sys.excepthook = report
