"""`vsr import`: a published checkpoint becomes a model folder."""

from __future__ import annotations

import argparse

HELP = "make a model folder of a published checkpoint"
ABOUT = """Makes a model folder of a checkpoint that auto_avsr or AV-HuBERT published: names and
layouts are translated, and the result is the original's within 1e-4. The checkpoint is
read without running anything in it. The licence of its weights is printed: heed it."""
FILES = """reads   the checkpoint; SentencePiece model and list of units, where it has none
writes  a model folder: model.safetensors, config.json, tokenizer"""
SEE = "vsr transcribe, vsr push"
EXAMPLE = """vsr import auto_avsr vsr_trlrs3_base.pth --tokenizer spm/unigram/unigram5000.model -o models/lrs3
vsr transcribe clip.mp4 --model models/lrs3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("family", choices=("auto_avsr", "av_hubert"), help="where the checkpoint comes from")
    parser.add_argument("checkpoint", metavar="FILE", help="the checkpoint, .pth or .pt")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("--tokenizer", metavar="FILE", help="SentencePiece model, where the checkpoint has none")
    parser.add_argument(
        "--units",
        metavar="FILE",
        help="the head's units: auto_avsr's list (default: NAME_units.txt beside it) or fairseq's dictionary",
    )
    parser.add_argument("--half", action="store_true", help="store fp16: half the size, no longer exact")


def run(args: argparse.Namespace) -> int:
    """Convert, save and say what it is. Raises VsrError."""
    from vsr.modelstore.importers.importing import check_place, import_checkpoint

    check_place(args.family, args.checkpoint, args.out, args.tokenizer, args.units)
    print(import_checkpoint(args.family, args.checkpoint, args.out, args.tokenizer, args.units, args.half))
    return 0
