"""`lip2speech evaluate`: natural recordings, copy-synthesis and systems side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vsr.cli.options import positive
from vsr.core.renamed_settings import add_earlier_option

HELP = "measure voices against the natural recordings"
ABOUT = """Measures folders of voices against the natural recordings, which are a row of the table
themselves: STOI, ESTOI, PESQ (both bands), mel-cepstral distortion, pitch, offset, speaker
similarity, DNSMOS and the word error rate of a named recogniser."""
FILES = """reads   a manifest, the sound of its videos, a folder of ID.wav for each --row
writes  result.json, utterances.tsv, table.md; with --plots: one plot per clip"""
FAILS = "a clip could not be scored; the table says how many, and why"
SEE = "lip2speech synthesize, lip2speech results"
EXAMPLE = """lip2speech evaluate --manifest data/crops/test/manifest.jsonl --row copy=exp/copy --row system=exp/test \\
    --asr pocketsphinx-grid --protocol cross --out exp/result --jobs 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, metavar="FILE", help="manifest of the clips")
    parser.add_argument(
        "--row", action="append", default=[], metavar="NAME=DIR", dest="rows", help="a folder of ID.wav; repeatable"
    )
    parser.add_argument(
        "--other-pauses", action="append", default=[], metavar="ROW",
        help='another row "ROW, other pauses": its words in the noise of another clip; natural or a NAME; repeatable',
    )  # fmt: skip
    parser.add_argument(
        "--asr", default="", metavar="ASR[,ASR]",
        help="recognisers: pocketsphinx-grid, hama-grid, hama, whisper:MODEL, wav2vec2:MODEL; each has a column",
    )  # fmt: skip
    parser.add_argument("--distillmos", action="store_true", help="a second quality estimate beside DNSMOS")
    parser.add_argument(
        "--syncnet", default="", metavar="DIR", help="LSE-C and LSE-D, by syncnet_v2.model and sfd_face.pth in there"
    )
    parser.add_argument("--protocol", default="cross", help="the reference voice: self, cross, vision (default: cross)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for result.json, utterances.tsv, table.md")
    parser.add_argument("--plots", type=_count, default=0, metavar="N", help="clips of the last row to draw")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")
    add_earlier_option(parser, "--judge", "--asr")
    add_earlier_option(parser, "--pictures", "--plots")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table; 1 if a clip could not be scored. Raises VsrError."""
    from lip2speech.evaluation.corpus import evaluate
    from lip2speech.evaluation.summary import outputs_of, table, write_evaluation
    from lip2speech.inference.synthesizer import PROTOCOLS
    from vsr.core.errors import VsrError
    from vsr.core.files import check_outputs
    from vsr.data.manifest import read_manifest

    if args.protocol not in PROTOCOLS:
        raise VsrError("bad_options", f"the protocol is '{args.protocol}'; it can be {', '.join(PROTOCOLS)}")
    rows = _rows(args.rows)
    drawn = list(rows.values())[-1]
    check_outputs(outputs_of(args.out), args.manifest)
    clips = read_manifest(args.manifest)
    _add_pauses(rows, clips, args.other_pauses, Path(args.out) / "pauses")
    outcomes = evaluate(clips, rows, args.asr, args.jobs, args.distillmos, args.syncnet)
    result = write_evaluation(args.out, clips, outcomes, args.protocol, args.asr)
    print(table(result["rows"]))
    if drawn:
        draw_clips(clips[: args.plots], drawn, Path(args.out) / "plots", rows.get("copy"))
    return 1 if any(outcome.reason for outcome in outcomes) else 0


def _rows(row_args: list[str]) -> dict[str, str | None]:
    """Parse NAME=DIR to folders of waves by name, after the row of natural recordings. Raises VsrError bad_options."""
    from lip2speech.evaluation.corpus import NATURAL
    from vsr.core.errors import VsrError

    rows: dict[str, str | None] = {NATURAL: None}
    for text in row_args:
        name, equals, folder = text.partition("=")
        if not (name and equals and Path(folder).is_dir()) or name in rows or "/" in name:
            raise VsrError("bad_options", f"--row {text}: give a new NAME=DIR (no / in it) with a folder that exists")
        rows[name] = folder
    return rows


def _add_pauses(rows: dict[str, str | None], clips, chosen: list[str], folder: Path) -> None:
    """Add a row for each chosen row, with its clips in the pauses of other clips, in ``folder``. Raises VsrError."""
    from functools import partial

    from lip2speech.evaluation.corpus import wave_of_row
    from lip2speech.evaluation.pauses import write_with_pauses
    from vsr.core.errors import VsrError
    from vsr.core.files import same_file

    for name in chosen:
        if name not in rows:
            raise VsrError("bad_options", f"--other-pauses {name}: no such row; there are {', '.join(rows)}")
        row, out = rows[name], folder / name
        if any(other_folder and same_file(other_folder, out) for other_folder in rows.values()):
            raise VsrError("bad_options", f"--other-pauses {name}: would replace the row {out}")
        write_with_pauses(clips, partial(wave_of_row, folder=row), out)
        rows[f"{name}, other pauses"] = str(out)


def draw_clips(clips, folder: str, out: Path, natural_folder: str | None) -> None:
    """Plot each clip; a clip that cannot be drawn gets a line on stderr, and the run goes on."""
    from lip2speech.evaluation.plots import draw_clip
    from vsr.core.errors import VsrError

    for clip in clips:
        try:
            draw_clip(clip, folder, out / f"{clip.id}.png", natural_folder)
        except VsrError as error:
            print(f"lip2speech evaluate: no plot of {clip.id}: {error}", file=sys.stderr)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)
