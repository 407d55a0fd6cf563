"""`vsr convert`: a corpus in another toolkit's format becomes ours, and ours becomes theirs."""

from __future__ import annotations

import argparse

HELP = "read and write auto_avsr, AV-HuBERT, Kaldi and lhotse data"
ABOUT = """Reads a corpus in another toolkit's format and writes it in ours, or the other way round, so
that prepared data can be reused. Units, mels and speaker vectors beside an AV-HuBERT list
(lip2speech-unit) become the features that lip2speech train reads."""
FILES = """reads   manifest (JSON Lines), auto_avsr (csv), AV-HuBERT (tsv), Kaldi (folder), lhotse (cuts)
writes  the same, in a folder; mouth crops become videos where a format wants them so"""
SEE = "vsr prepare, vsr validate"
EXAMPLE = """vsr convert --from auto_avsr --to manifest --input labels/lrs3_test_....csv --out data/test
vsr convert --from av_hubert --to manifest --input lrs3/label/train.tsv --out data/train --features data/features
vsr convert --from manifest --to kaldi --input data/train.jsonl --out data/train_kaldi
vsr convert --from manifest --to auto_avsr --input crops/manifest.jsonl --tokens tokens --name lrs3 --out lrs3_root"""

WHERE = {  # each option works
    "tokens": "auto_avsr and --to av_hubert", "name": "--to auto_avsr", "subset": "--to auto_avsr and --to av_hubert",
    "features": "--from av_hubert --to manifest",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    known = "manifest, auto_avsr, av_hubert, kaldi or lhotse"
    parser.add_argument("--from", dest="source", required=True, metavar="FORMAT", help=known)
    parser.add_argument("--to", dest="target", required=True, metavar="FORMAT", help="the same")
    parser.add_argument("--input", required=True, metavar="PATH", help="jsonl, csv, tsv or cuts file, or Kaldi folder")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder that receives the result")
    parser.add_argument("--tokens", default="", metavar="DIR", help="tokenizer or model folder, for token ids")
    parser.add_argument("--name", default="corpus", help="name of the data set in auto_avsr's paths (default: corpus)")
    parser.add_argument(
        "--subset", default="train", help="subset in auto_avsr's and AV-HuBERT's names (default: train)"
    )
    parser.add_argument(
        "--features", default="", metavar="DIR", help="folder for prepared speech (default: OUT/features)"
    )


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    ways = args.source, args.target
    heeded = {
        "tokens": "auto_avsr" in ways or args.target == "av_hubert", "name": args.target == "auto_avsr",
        "subset": args.target in ("auto_avsr", "av_hubert"), "features": ways == ("av_hubert", "manifest"),
    }  # fmt: skip
    return {name: WHERE[name] for name, works in heeded.items() if not works}


def run(args: argparse.Namespace) -> int:
    """Convert and say how many clips there were. Raises VsrError."""
    from vsr.data.exchange.convert import Settings, convert

    settings = Settings(args.name, args.subset, args.tokens, args.features)
    clips = convert(args.source, args.target, args.input, args.out, settings)
    print(f"{len(clips)} clips: {args.out}")
    return 0
