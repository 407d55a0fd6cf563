"""`vsr restore`: a language model turns what a reader of phonemes or visemes saw into sentences."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.decoding.lexicon_search import LexiconSearch
    from vsr.decoding.restorer import Restorer
    from vsr.text.unit_tokenizers import UnitTokenizer

HELP = "turn phonemes or visemes into sentences with a language model"
ABOUT = """Reads crops with a reader of phonemes or visemes (CTC), gives the result to a language model
that vsr train made from an llm configuration, and reorders the sentences of the lexicon
search, and those that the model generates (--written): by the log-probability of the best
path through their pronunciations, plus --weight times the model's, plus a bonus for each
word. Choose weight and bonus on a development list."""
FILES = """reads   a manifest that vsr crop wrote, and its crops; the reader; the restorer, its backbone
writes  JSON Lines: id, text, score, units (what was shown), nbest"""
SEE = "vsr train, vsr tokens, vsr decode, vsr combine"
EXAMPLE = """vsr restore --model exp/vallr/model --llm exp/llm/model --manifest test.jsonl --out out.jsonl
vsr restore --model exp/vallr/model --llm exp/pvasr/model --lexicon words.txt --written 4 \\
    --weight 0.3 --bonus 2 --manifest dev.jsonl --out exp/dev.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", required=True, metavar="MODEL", help="a reader of phonemes or visemes")
    parser.add_argument("--manifest", required=True, metavar="JSONL", help="manifest that vsr crop wrote")
    parser.add_argument("--llm", required=True, metavar="DIR", help="model/ of vsr train with an llm configuration")
    parser.add_argument("--backbone", default="", metavar="MODEL", help="its backbone, if it has moved")
    parser.add_argument("--out", required=True, metavar="JSONL", help="hypotheses, one per line")
    parser.add_argument("--lexicon", default="", metavar="FILE", help="words to search (default: those of the reader)")
    parser.add_argument("--ngram", default="", metavar="FILE", help="n-grams of words that join the lexicon search")
    parser.add_argument("--ngram-weight", type=float, default=0.3, metavar="W", help="their weight (default: 0.3)")
    parser.add_argument("--beam", type=int, default=60, help="beam of the lexicon search (default: 60)")
    parser.add_argument(
        "--candidates", type=int, default=30, metavar="N", help="how many of its texts are scored (default: 30)"
    )
    parser.add_argument(
        "--written", type=int, default=0, metavar="N", help="texts that the language model writes (default: 0)"
    )
    parser.add_argument(
        "--weight", type=float, default=0.5, metavar="W", help="weight of the language model (default: 0.5)"
    )
    parser.add_argument("--bonus", type=float, default=0.0, metavar="X", help="bonus for each word (default: 0)")
    parser.add_argument("--nbest", type=int, default=1, metavar="N", help="texts written to --out")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return {} if args.ngram else {"ngram_weight": "--ngram"}


def run(args: argparse.Namespace) -> int:
    """Restore, and print how many clips there were. Raises VsrError."""
    import json

    from vsr.core.file_kinds import HYPOTHESES
    from vsr.core.files import check_output, write_lines
    from vsr.core.progress import count_items
    from vsr.data.manifest import read_manifest
    from vsr.decoding.posteriors import log_probs_of
    from vsr.decoding.restoring import RestoreOptions, Restoring, check_reader
    from vsr.modelstore.folder import load_model

    check_output(args.out, args.manifest, *filter(None, (args.lexicon, args.ngram)), kind=HYPOTHESES)
    options = RestoreOptions(args.beam, args.candidates, args.written, args.weight, args.bonus)
    loaded = load_model(args.model)
    tokenizer = check_reader(loaded)
    restorer = _restorer(args)
    restoring = Restoring(tokenizer, _search(args, tokenizer), restorer, options)
    read = log_probs_of(loaded, read_manifest(args.manifest))
    each = count_items(read, "restore", len(read))
    records = [restoring.record(clip.id, own, args.nbest) for clip, own in each]
    write_lines(args.out, (json.dumps(record, ensure_ascii=False) for record in records))
    print(f"{len(records)} clips restored to {args.out}")
    return 0


def _restorer(args: argparse.Namespace) -> Restorer:
    """What makes sentences of units, and a line on its licence. Raises VsrError."""
    import sys

    from vsr.decoding.restorer_folder import load_restorer

    restorer = load_restorer(args.llm, args.backbone)
    print(f"vsr restore: {restorer.settings.backbone or args.llm}: licence {restorer.licence}", file=sys.stderr)
    return restorer


def _search(args: argparse.Namespace, tokenizer: UnitTokenizer) -> LexiconSearch:
    """Of words by a lexicon and, where they are given, n-grams. Raises VsrError."""
    from vsr.decoding.lexicon import lexicon_for
    from vsr.decoding.lexicon_search import LexiconSearch
    from vsr.decoding.word_states import word_states

    weight = args.ngram_weight if args.ngram else 0.0
    return LexiconSearch(lexicon_for(tokenizer, args.lexicon), word_states(args.ngram), weight)
