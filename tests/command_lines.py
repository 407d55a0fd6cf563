"""Command lines as people write them, in examples and pages -> whether the commands would take them."""

import re
import shlex

from lip2speech.cli import LIP2SPEECH
from vsr.cli import VSR
from vsr.cli.unused_options import refuse_unused

PROGRAMS = {program.name: program for program in (VSR, LIP2SPEECH)}


def command_lines(text):
    """The lines of a shell text as lists of words, without comments and redirections; a backslash joins two lines."""
    lines = re.sub(r" [<>] \S+", "", text.replace("\\\n", " ")).splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def check(words):
    """Parse one line of `vsr` or `lip2speech`; SystemExit, with the parser's complaint on stderr, if it does not, and
    VsrError for an option that such a call does not heed.

    torchrun starts a module: what stands before it is for torchrun.
    """
    if words[0] == "torchrun":
        module = words.index("-m") + 1
        words = [words[module].removesuffix(".cli"), *words[module + 1 :]]
    program = PROGRAMS[words[0]]
    assert words[1] in program.verbs, f"{words[0]} has no verb {words[1]}"
    command, parser = program.command(words[1]), program.parser(words[1])
    args = parser.parse_intermixed_args(words[2:])
    if hasattr(command, "unused"):
        refuse_unused(parser, args, command.unused(args))
