"""`vsr tokens`: transcripts become a tokenizer."""

from __future__ import annotations

import argparse

HELP = "make a tokenizer from the transcripts of manifests"
ABOUT = """Makes the tokenizer that a model reads into: characters, which need no training, or
SentencePiece's unigram pieces trained on the transcripts."""
FILES = """reads   manifests
writes  tokenizer.json and, of unigram, tokenizer.model"""
SEE = "vsr train"
EXAMPLE = "vsr tokens --manifest data/train.jsonl --kind unigram --size 1000 --out data/tokens"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", nargs="+", required=True, help="manifests whose text is used")
    parser.add_argument(
        "--kind", choices=("char", "word", "unigram"), default="char", help="word: a closed list (default: char)"
    )
    parser.add_argument("--size", type=int, default=1000, metavar="N", help="unigram: at most N pieces (default: 1000)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the tokenizer")


def run(args: argparse.Namespace) -> int:
    """Train, save and print the size. Raises VsrError."""
    from pathlib import Path

    from vsr.data.manifest import read_manifest
    from vsr.text.tokenizer import UNK, train_tokenizer

    texts = [clip.text for path in args.manifest for clip in read_manifest(path)]
    tokenizer = train_tokenizer(args.kind, texts, args.size)
    unknown = sum(text_ids.count(UNK) for text_ids in map(tokenizer.encode, texts))
    Path(args.out).mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.out)
    print(f"{tokenizer.vocab_size} tokens with blank, unknown and end; {unknown} unknown in {len(texts)} transcripts")
    return 0
