"""The options of the search on the command line, for every verb that searches; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.filetypes import wrong_file_note
from vsr.core.hub import HUB_ID
from vsr.decoding.ngram_file import FILES, check_ngram
from vsr.decoding.options import METHODS, DecodeOptions, unheeded

LEXICON = "lexicon"  # the method


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them, as a group of their own."""
    group = parser.add_argument_group("search")
    group.add_argument("--method", choices=METHODS, help="default: the model's own, else joint, of CTC and attention")
    group.add_argument("--beam", type=int, metavar="N", help="width of the search (default: 10)")
    group.add_argument("--nbest", type=int, metavar="N", help="hypotheses listed (default: 1)")
    group.add_argument("--ctc-weight", type=float, metavar="W", help="weight of CTC in the joint score (default: 0.1)")
    bonus = "bonus for each token, or word of a lexicon (default: 0)"
    group.add_argument("--length-bonus", type=float, metavar="X", help=bonus)
    words = "search only the words of this file: one per line, with phonemes or without (for readers of phonemes, "
    words += "visemes or characters with CTC; --beam 100 unless given)"
    group.add_argument("--lexicon", metavar="FILE", help=words)
    add_language_arguments(group)


def add_language_arguments(group) -> None:
    """Declare the options that name language models."""
    group.add_argument("--lm", metavar="MODEL", help="language model of vsr lm train, or org/name")
    group.add_argument("--lm-weight", type=float, metavar="W", help="weight of its log-probability (default: 0.3)")
    group.add_argument("--ngram", metavar="ARPA", help="n-grams of words or of the tokenizer's pieces")
    group.add_argument("--ngram-weight", type=float, metavar="W", help="weight of their log-probability (default: 0.3)")
    group.add_argument("--hotwords", metavar="FILE", help="expected words and phrases, one per line")
    group.add_argument("--hotwords-weight", type=float, metavar="W", help="bonus per letter (default: 0.5)")


def search_options(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of `DecodeOptions` that were given, checked. Raises VsrError bad_options."""
    given = {
        "method": args.method, "beam": args.beam, "nbest": args.nbest,
        "ctc_weight": args.ctc_weight, "length_bonus": args.length_bonus,
        "lexicon": args.lexicon,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None} | _languages(args)
    options = ({"method": LEXICON} if args.lexicon else {}) | options
    DecodeOptions(**({"beam": options.get("nbest", 1)} if options.get("method") == LEXICON else {}) | options)
    _check_files(args)
    return options


def unused_in_search(args: argparse.Namespace) -> dict[str, str]:
    """Options of the search that the method which is given does not heed -> where they work."""
    method = args.method or (LEXICON if getattr(args, "lexicon", None) else None)
    found = {name: f"--method {others}" for name, others in unheeded(method).items()} if method else {}
    return {name: where for name, where in found.items() if (name, args.nbest) != ("nbest", 1)}  # it is what they give


def check_head(head: str | None, options: Mapping[str, Any]) -> None:
    """Refuse --head without a name, and options of the search that a head alone does not heed. Raises VsrError."""
    if head is None:
        return
    if not head.strip():
        raise VsrError("bad_options", "--head is empty: name a head of the model, or leave it out")
    if ignored := options.keys() - {"nbest"}:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(ignored))
        raise VsrError("bad_options", f"--head is searched by itself: leave {names} out, or --head")


def language_files(args: argparse.Namespace) -> list[str]:
    """The files that the language options name, which no output may replace."""
    named = (args.lm, args.ngram, args.hotwords, getattr(args, "lexicon", None))
    return [name for name in named if name]


def _check_files(args: argparse.Namespace) -> None:
    """Refuse files that are absent or no n-grams, and a folder that is, before anything heavy is loaded. Raises
    VsrError bad_config."""
    for name in ("ngram", "hotwords", LEXICON):
        path = getattr(args, name, None)
        if path and not Path(path).is_file():
            raise VsrError("bad_config", f"--{name} {path}: {wrong_file_note(path)}")
    if args.ngram and (not getattr(args, LEXICON, None) or args.ngram.endswith(FILES)):  # words may be counted there
        check_ngram(args.ngram)
    if args.lm and args.lm != "none" and not Path(args.lm).exists() and not HUB_ID.fullmatch(args.lm):
        raise VsrError("bad_model", f"--lm {args.lm}: there is no such folder")


def language_options(args: argparse.Namespace) -> dict[str, Any]:
    """Those of them that concern language models. Raises VsrError for a weight of nothing, and for absent files."""
    given = _languages(args)
    _check_files(args)
    return given


def _languages(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "lm": args.lm, "lm_weight": args.lm_weight, "ngram": args.ngram, "ngram_weight": args.ngram_weight,
        "hotwords": args.hotwords, "hotwords_weight": args.hotwords_weight,
    }  # fmt: skip
    for name in ("lm", "ngram", "hotwords"):
        if given[f"{name}_weight"] is not None and not given[name]:
            raise VsrError("bad_options", f"--{name}-weight needs --{name}")
    return {name: value for name, value in given.items() if value is not None}
