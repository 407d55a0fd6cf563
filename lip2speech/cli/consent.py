"""Consent to making a person's voice: asked for once, kept in the user's configuration folder.

A synthetic voice that sounds like a person, or says what the person did not, needs that person's permission.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from lip2speech.inference.consent_statement import STATEMENT
from lip2speech.inference.saved_voices import user_folder
from vsr.core.errors import VsrError, one_line
from vsr.core.files import read_json, write_json

FILE = "consent.json"


def consent_file() -> Path:
    """The file in which consent is kept."""
    return user_folder() / FILE


def has_consented() -> bool:
    """Whether the user has agreed to the current statement."""
    try:
        record = read_json(consent_file())
    except (OSError, ValueError, VsrError):
        return False
    return isinstance(record, dict) and record.get("statement") == STATEMENT


def add_consent_argument(group) -> None:
    """Declare --consent."""
    group.add_argument(
        "--consent",
        action="store_true",
        help="the person whose voice or face it is has agreed; asked once, then remembered",
    )


def unused_consent(args: argparse.Namespace) -> dict[str, str]:
    """--consent without anybody's voice, for the ``unused`` of verbs that ask for it with --reference or --fill."""
    fills = hasattr(args, "fill")
    where = "--reference or --fill" if fills else "--reference"
    return {} if args.reference or (fills and args.fill) else {"consent": where}


def check_consent(is_given: bool, what: str) -> None:
    """Require consent: given earlier, by ``--consent``, or by an answer on a terminal.

    Args:
        is_given: whether ``--consent`` is set.
        what: what needs consent, such as "--reference".

    Raises VsrError no_consent.
    """
    if has_consented():
        return
    if not is_given and sys.stdin.isatty() and sys.stderr.isatty():
        print(f"{what} needs your consent, once:\n  {STATEMENT}\nAgree? [y/N] ", end="", file=sys.stderr, flush=True)
        is_given = sys.stdin.readline().strip().lower() in ("y", "yes")
    if not is_given:
        raise VsrError("no_consent", f'{what} needs consent: give --consent, which says "{STATEMENT}"')
    _save()


def remind_of_consent(is_given: bool, what: str) -> None:
    """`check_consent` for verbs that existing scripts use without consent: without a terminal, only a line on stderr
    reminds of it. Raises VsrError no_consent for a "no" on a terminal."""
    if is_given or has_consented() or (sys.stdin.isatty() and sys.stderr.isatty()):
        check_consent(is_given, what)
        return
    needed = "only for a person who has agreed to it, and never to deceive"
    print(f"lip2speech: {what}: {needed} (--consent says so, once, and ends this line)", file=sys.stderr)


def _save() -> None:
    """Save the consent. If that fails, say so on stderr: it will be asked for again."""
    path = consent_file()
    try:
        write_json(path, {"statement": STATEMENT, "agreed": datetime.date.today().isoformat()})
    except (OSError, VsrError) as error:
        why = f"{path}: {one_line(error)}"
        print(f"lip2speech: consent is not kept and will be asked for again ({why})", file=sys.stderr)
