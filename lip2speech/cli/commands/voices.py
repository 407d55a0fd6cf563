"""`lip2speech voices`: save, list and remove named voices."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lip2speech.cli.consent import add_consent_argument, check_consent
from lip2speech.inference.reference import RESERVED
from lip2speech.inference.saved_voices import is_name, remove_voice, save_voice_as, saved_names, saved_record

HELP = "save voices by name, list them, remove one"
ABOUT = """Stores the 256 numbers that --reference needs to imitate the voice of a recording, so that
speak, dub and revoice know it by name. They are stored in the user's configuration folder
(lip2speech/voices of XDG_CONFIG_HOME or ~/.config); the recording is not. Such numbers can
identify a person: save only voices of people who have agreed to it, and remove them when
they are no longer needed."""
FILES = """reads   with add: a recording with at least 1 s of speech
writes  with add: NAME.json in the user's configuration folder"""
SEE = "lip2speech speak, lip2speech revoice"
EXAMPLE = """lip2speech voices
lip2speech voices add anna anna.wav --consent
lip2speech speak clip.mp4 -o voiced.mp4 --reference anna
lip2speech voices remove anna"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = ("list", "add", "remove")
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a letter, then letters, digits, - and _")
    parser.add_argument("file", nargs="?", metavar="FILE", help="with add: a recording of the voice")
    add_consent_argument(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return {} if args.action == "add" else {"consent": "voices add"}


def run(args: argparse.Namespace) -> int:
    """List, add or remove. Raises VsrError."""
    check_arguments(args)
    if args.action == "add":
        return _add(args)
    if args.action == "remove":
        remove_voice(args.name)
        print(f"{args.name}: removed")
        return 0
    if not saved_names():
        print("no voice is saved yet: lip2speech voices add NAME FILE", file=sys.stderr)
    for name in saved_names():
        record = saved_record(name)
        print(f"{name}: from {record.get('from', '?')}, saved {record.get('saved', '?')}")
    return 0


def _add(args: argparse.Namespace) -> int:
    check_consent(args.consent, "a saved voice")
    from lip2speech.features.speaker import reference_vector

    path = save_voice_as(args.name, reference_vector(args.file), Path(args.file).name)
    print(f"{args.name}: saved ({path})")
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse wrong numbers of arguments for an action, and reserved or invalid names. Raises VsrError."""
    from vsr.core.errors import VsrError

    usage = {"list": "", "add": "NAME FILE", "remove": "NAME"}[args.action]
    arguments = [argument for argument in (args.name, args.file) if argument is not None]
    if len(arguments) != len(usage.split()):
        raise VsrError("bad_options", f"voices {args.action} takes {usage or 'no name'}")
    if args.action == "list":
        return
    if args.name in RESERVED:
        raise VsrError("bad_options", f"a voice cannot be called {args.name}: to --reference it means something else")
    if not is_name(args.name):
        raise VsrError("bad_options", f"a voice cannot be called {args.name}: a letter, then letters, digits, - and _")
    if args.action == "add" and args.name in saved_names():
        raise VsrError("exists", f"a voice called {args.name} is saved: lip2speech voices remove {args.name} first")
