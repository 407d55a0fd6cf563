"""`vsr tokens`: transcripts become a tokenizer."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

HELP = "make a tokenizer from the transcripts of manifests"
ABOUT = """Makes the tokenizer that a model reads into: characters, which need no training, or
SentencePiece's unigram pieces trained on the transcripts. Another tokenizer that is there,
which a model may have been trained with, is replaced with --force alone."""
FILES = """reads   manifests
writes  tokenizer.json and, of unigram, tokenizer.model"""
SEE = "vsr train"
EXAMPLE = "vsr tokens --manifest data/train.jsonl --kind unigram --size 1000 --out data/tokens"

WRITTEN = ("tokenizer.json", "tokenizer.model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", nargs="+", required=True, help="manifests whose text is used")
    parser.add_argument(
        "--kind", choices=("char", "word", "unigram"), default="char", help="word: a closed list (default: char)"
    )
    parser.add_argument("--size", type=int, default=1000, metavar="N", help="unigram: at most N pieces (default: 1000)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the tokenizer")
    parser.add_argument("--force", action="store_true", help="replace another tokenizer that is there")


def run(args: argparse.Namespace) -> int:
    """Train, save and print the size. Raises VsrError."""
    from vsr.core.files import check_outputs
    from vsr.data.manifest import read_manifest
    from vsr.text.tokenizer import UNK, train_tokenizer

    check_outputs((Path(args.out) / name for name in WRITTEN), *args.manifest)
    texts = [clip.text for path in args.manifest for clip in read_manifest(path)]
    tokenizer = train_tokenizer(args.kind, texts, args.size)
    unknown = sum(text_ids.count(UNK) for text_ids in map(tokenizer.encode, texts))
    _check_place(Path(args.out), tokenizer, args.force)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.out)
    print(f"{tokenizer.vocab_size} tokens with blank, unknown and end; {unknown} unknown in {len(texts)} transcripts")
    return 0


def _check_place(folder: Path, tokenizer, force: bool) -> None:
    """Refuse to replace what a model may have been trained with: no other tokenizer fits it. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.modelstore.checkpoint import CONFIG_FILE
    from vsr.text.tokenizer import load_tokenizer

    if (folder / CONFIG_FILE).exists():
        raise VsrError("exists", f"{folder} is a model, which keeps its tokenizer: choose another --out")
    if force or not any((folder / name).exists() for name in WRITTEN):
        return
    with suppress(VsrError):
        there = load_tokenizer(folder)
        if all(kind(there) == kind(tokenizer) for kind in (type, lambda own: own.pieces(range(own.vocab_size)))):
            return
    told = "holds another tokenizer, which a model may have been trained with"
    raise VsrError("exists", f"{folder} {told}: choose another --out, or --force to replace it")
