"""`vsr teach`: what a model that hears makes of a corpus, as targets for a reader of lips."""

from __future__ import annotations

import argparse

from vsr.cli.options import positive

HELP = "store what a model that hears makes of a corpus, to learn from"
ABOUT = """Hears the sound of every clip of manifests that vsr waves wrote, and stores what a frozen
teacher makes of it: its states on the clock of the video, and of a reader of this toolkit
the probabilities of CTC and of the decoder, what the decoder looks at for each token, and
which tokens it hears right. The heads frame_distillation, sequence_distillation,
context_distillation and posterior_distillation of a training learn from them. The teacher
is a reader that hears (grid-av, or a folder), a wav2vec 2.0, HuBERT or Whisper in the
transformers library's format, or a Whisper in CTranslate2's. Targets that an earlier run
made by the same teacher of the same sound are kept. --codebook fits centroids (k-means) to
the states of these clips, for the encoder "memory": give the training list alone then."""
FILES = """reads   manifests that vsr waves wrote; the teacher
writes  ID.safetensors of each clip; codebook.safetensors with --codebook"""
SEE = "vsr waves, vsr train, vsr encode"
EXAMPLE = """vsr teach --manifest data/sound/train/manifest.jsonl --teacher grid-av --out data/teacher
vsr teach --manifest data/sound/train/manifest.jsonl --teacher whisper-base --out data/whisper"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, nargs="+", metavar="JSONL", help="manifests that vsr waves wrote")
    parser.add_argument("--teacher", required=True, metavar="MODEL", help="name of vsr models, or folder")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the targets")
    parser.add_argument("--codebook", type=positive, metavar="K", help="write K centroids of the states, too")
    parser.add_argument("--layer", type=int, default=-1, metavar="N", help="of a foundation model (default: the last)")


def run(args: argparse.Namespace) -> None:
    """Write the targets and say how many there are. Raises VsrError."""
    from vsr.training.teacher import open_teacher
    from vsr.training.teaching import teach, write_centroids

    counts = teach(args.manifest, open_teacher(args.teacher, args.layer), args.out)
    if args.codebook:
        print(write_centroids(args.manifest, args.out, args.codebook))
    print(", ".join(f"{number} {what}" for what, number in sorted(counts.items()) if number) or "nothing to do")
