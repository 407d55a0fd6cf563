"""`lip2speech watermark`: detect the mark of `--watermark` in sound files."""

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
    """Search the files; 0 if all could be read, else 1. Raises VsrError for errors that concern all files."""
    from lip2speech.inference.watermark import detect
    from vsr.media.audio import read_wave

    def search_file(path: str) -> tuple[str, dict]:
        match = detect(read_wave(path))
        where = f", best in {match.start:.0f} to {match.end:.0f} s" if match.end - match.start < match.seconds else ""
        figures = {"probability": match.probability, "start": match.start, "end": match.end, "seconds": match.seconds}
        verdict = "found" if match.is_marked else "not found"
        verdict += f" (false-alarm probability {_power(match.probability)}{where})"
        return f"{path}: {verdict}", {"file": path, "found": match.is_marked} | figures

    return over_videos(args.files, args.out, search_file, "lip2speech")


def _power(probability: float) -> str:
    return "below 1e-99" if probability < 1e-99 else f"at most {probability:.2g}"
