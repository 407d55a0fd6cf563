"""`lip2speech watermark`: whether a sound carries the mark of `--watermark`."""

from __future__ import annotations

import argparse

from vsr.cli.each_video import over_videos

HELP = "find the inaudible watermark that --watermark adds to a voice"
ABOUT = """Reports for each file whether its sound carries the watermark that speak, dub and revoice
add with --watermark, and in which part; "found" means a false-alarm probability below one
in a million. It survives AAC, MP3 and Opus at usual rates, resampling, cuts and changes of
loudness; loud noise, a change of speed or a determined person can remove it. Not found does
not prove that a voice is real."""
FILES = """reads   sound files or videos with sound
writes  a line for each; with --out JSON Lines: file, found, probability, start, end, seconds"""
FAILS = "a file could not be read; the others are done all the same"
SEE = "lip2speech speak, lip2speech dub"
EXAMPLE = """lip2speech watermark voiced.mp4
lip2speech watermark *.wav --out marks.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound files or videos")
    parser.add_argument("--out", metavar="JSONL", help="also write the figures to this file")


def add_watermark_argument(group) -> None:
    """Declare --watermark of the verbs that make voices."""
    group.add_argument(
        "--watermark", action="store_true", help="add an inaudible mark, which lip2speech watermark finds"
    )


def run(args: argparse.Namespace) -> int:
    """0 if every file was searched, else 1. Raises VsrError for what no file could survive."""
    from lip2speech.inference.watermark import find
    from vsr.media.audio import read_wave

    def searched(path: str) -> tuple[str, dict]:
        found = find(read_wave(path))
        where = f", best in {found.start:.0f} to {found.end:.0f} s" if found.end - found.start < found.seconds else ""
        figures = {"probability": found.probability, "start": found.start, "end": found.end, "seconds": found.seconds}
        said = f"{'found' if found.marked else 'not found'} (probability of error {_power(found.probability)}{where})"
        return f"{path}: {said}", {"file": path, "found": found.marked} | figures

    return over_videos(args.files, args.out, searched, "lip2speech")


def _power(probability: float) -> str:
    return "below 1e-99" if probability < 1e-99 else f"at most {probability:.2g}"
