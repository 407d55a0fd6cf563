"""`lip2speech evaluate`: natural recordings, copy-synthesis and systems side by side."""

from __future__ import annotations

import argparse

HELP = "measure voices against the natural recordings"
EXAMPLE = """lip2speech evaluate --manifest data/crops/test/manifest.jsonl --row copy=exp/copy --row system=exp/test \\
    --judge pocketsphinx-grid --protocol cross --out exp/result --jobs 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, metavar="FILE", help="manifest of the clips")
    parser.add_argument(
        "--row", action="append", default=[], metavar="NAME=DIR", dest="rows", help="a folder of ID.wav; repeatable"
    )
    parser.add_argument("--judge", default="", help="pocketsphinx-grid, whisper:MODEL or wav2vec2:MODEL")
    parser.add_argument("--protocol", default="cross", help="the reference voice: self, cross, none (default: cross)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for result.json, utterances.tsv, table.md")
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help="clips of the last row to draw")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table; 1 if a clip could not be scored. Raises VsrError."""
    from pathlib import Path

    from lip2speech.evaluation import NATURAL, evaluate, table, write_evaluation
    from lip2speech.synthesis import PROTOCOLS
    from vsr.data.manifest import read_manifest
    from vsr.errors import VsrError

    if args.protocol not in PROTOCOLS:
        raise VsrError("bad_options", f"the protocol is '{args.protocol}'; it can be {', '.join(PROTOCOLS)}")
    rows: dict[str, str | None] = {NATURAL: None}
    for given in args.rows:
        name, equals, folder = given.partition("=")
        if not (name and equals and Path(folder).is_dir()) or name in rows:
            raise VsrError("bad_options", f"--row {given}: give a new NAME=DIR with a folder that exists")
        rows[name] = folder
    clips = read_manifest(args.manifest)
    outcomes = evaluate(clips, rows, args.judge, args.jobs)
    result = write_evaluation(args.out, clips, outcomes, args.protocol, args.judge)
    print(table(result["rows"]))
    if args.pictures and len(rows) > 1:
        from lip2speech.pictures import draw_clip

        for clip in clips[: args.pictures]:
            draw_clip(clip, list(rows.values())[-1], Path(args.out) / "pictures" / f"{clip.id}.png")
    return 1 if any(outcome.reason for outcome in outcomes) else 0
