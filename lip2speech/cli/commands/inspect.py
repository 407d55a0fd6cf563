"""`lip2speech inspect`: one video file -> one HTML page that shows how it was read, and its voice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lip2speech.cli.consent import add_consent_argument, remind_of_consent, unused_consent
from lip2speech.cli.references import resolve_reference
from lip2speech.inference.reference import FACE, Reference, files_of, read_reference
from vsr.cli.commands.inspect import add_arguments as add_reading
from vsr.cli.commands.inspect import inspect_args, report_broken_video
from vsr.cli.commands.inspect import unused as unused_in_reading
from vsr.cli.options import check_present

if TYPE_CHECKING:
    from vsr.core.errors import VsrError

HELP = "show how a video is read and voiced: as vsr inspect, with mel, wave and sound"
ABOUT = """Reads and voices one video and writes the page of vsr inspect, with the voice below it on
the same time axis: mel, waveform and the sound itself. If the video has its own sound, that
is shown and playable beside it; the voice does not use it."""
FILES = """reads   a video file; a recording; models
writes  the page, which needs no other file and no network"""
SEE = "vsr inspect, lip2speech speak"
EXAMPLE = """lip2speech inspect clip.mp4 -o report.html
lip2speech inspect talk.mp4 --face 1 --at 95 --reference someone.wav -o report.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: those of `vsr inspect`, and the voice's."""
    add_reading(parser)
    voice = parser.add_argument_group("voice")
    voice.add_argument("--voice", metavar="MODEL", help="folder or org/name (default: the one in the package)")
    reference = "a recording; own: the video's sound; NAME: a saved voice; anonymous[:SEED] (default: the model's)"
    voice.add_argument("--reference", metavar="WHO", help=reference)
    add_consent_argument(voice)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_consent(args) | unused_in_reading(args)


def run(args: argparse.Namespace) -> int:
    """Read, voice, write the page and print the text. Raises VsrError."""
    from vsr.core.files import check_output, write_text
    from vsr.report.page import PAGE

    reference = reference_of(args)
    check_output(args.out, args.video, *files_of(reference), kind=PAGE)
    check_present([args.video])
    if reference and reference.is_somebody:
        remind_of_consent(args.consent, "--reference")
    import torch

    from lip2speech.evaluation.report import render_voiced
    from lip2speech.inference.folder import load_model

    # before the video is read, to fail early
    vector = torch.from_numpy(resolve_reference(reference, args.video, args.voice)) if reference else None
    broken: list[VsrError] = []
    inspection = inspect_args(args, broken, "lip2speech")
    write_text(args.out, render_voiced(inspection, load_model(args.voice, args.device), vector))
    print(inspection.nbest[0].text)
    return report_broken_video(broken, "lip2speech")


def reference_of(args: argparse.Namespace) -> Reference | None:
    """The reference voice, or None. Raises VsrError bad_options for ``face``."""
    from vsr.core.errors import VsrError

    reference = read_reference(args.reference) if args.reference else None
    if reference and reference.kind == FACE:
        raise VsrError("bad_options", f"--reference {FACE} is of lip2speech speak; a page has another voice")
    return reference
