"""`vsr combine`: the hypotheses of several readers become one."""

from __future__ import annotations

import argparse

HELP = "combine the hypotheses of several readers by votes, confidence and language models"
ABOUT = """Aligns the hypotheses of several readers for the same clips (ROVER's confusion network) and
picks the best path by votes, by confidence, and by the log-probabilities of a language
model, either as it is (--llm) or trained to read all hypotheses (--restorer). Weights are
fitted on transcribed clips (--fit, --save-weights), and used on others (--weights). With
--ref it prints the word error rate of each member, of the oracle and of the combination."""
FILES = """reads   two or more files of hypotheses as vsr decode writes them, the best reader first
writes  JSON Lines: id, text, confidence, words with confidence and agreement"""
SEE = "vsr decode, vsr score, vsr rescore"
EXAMPLE = """vsr combine --method vote --out exp/combined.jsonl exp/a.jsonl exp/b.jsonl exp/c.jsonl
vsr combine --method lm --lm text.txt --fit dev.jsonl --save-weights w.json --out exp/dev.jsonl a.jsonl b.jsonl
vsr combine --method llm --llm SmolLM2 --weights w.json --ref test.jsonl --out exp/c.jsonl a.jsonl b.jsonl"""
METHODS = ("vote", "confidence", "lm", "llm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "hypotheses", nargs="+", metavar="JSONL", help="hypotheses, one file per reader, the best first"
    )
    parser.add_argument("--out", required=True, metavar="JSONL", help="combined hypotheses, one per line")
    parser.add_argument("--method", choices=METHODS, default="vote", help="what decides besides votes (default: vote)")
    parser.add_argument("--lm", metavar="FILE", help="word n-grams: ARPA, KenLM, or lines of text to count")
    parser.add_argument("--llm", metavar="MODEL", help="causal language model: folder, GGUF file or org/name")
    parser.add_argument(
        "--restorer", metavar="DIR", help="model of vsr train that reads all hypotheses (llm.input: text)"
    )
    parser.add_argument("--ref", metavar="JSONL", help="transcripts: print error rates and the gain")
    parser.add_argument("--fit", metavar="JSONL", help="transcripts that weights are fitted on")
    parser.add_argument("--save-weights", metavar="JSON", help="write the fitted weights there")
    parser.add_argument("--weights", metavar="JSON", help="weights of an earlier --fit")
    parser.add_argument("--normaliser", default="lower", help="none, lower, alnum, 13a or whisper (default: lower)")


def run(args: argparse.Namespace) -> int:
    """Combine, and print what is known of the result. Raises VsrError."""
    import json

    from vsr.core.files import write_lines
    from vsr.core.progress import count_items
    from vsr.text.normalise import normaliser

    check_options(args)
    _check_files(args)
    norm = normaliser(args.normaliser)
    files, readings, texts = _read(args, norm)
    combiner = _combiner(args, files, norm)
    lattices = {key: combiner.lattice(own) for key, own in count_items(readings.items(), "combining", len(readings))}
    if args.fit:
        combiner = _fit_weights(combiner, lattices, texts[args.fit], norm)
    if args.save_weights:
        combiner.save(args.save_weights)
    records = [combiner.record(key, lattice) for key, lattice in lattices.items()]
    write_lines(args.out, map(json.dumps, records))
    _print_agreement(args, files, records, texts)
    return 0


def _read(args: argparse.Namespace, norm) -> tuple[list[dict], dict, dict[str, dict[str, str]]]:
    """Each member's records, the readings of each clip, and the texts of --fit and --ref by their files. Raises
    VsrError."""
    from vsr.decoding.combiner import readings_of
    from vsr.evaluation.wer import read_hypotheses, read_records

    files = [read_records(path) for path in args.hypotheses]
    readings = readings_of(files, args.hypotheses, norm)
    texts = {path: read_hypotheses(path) for path in filter(None, (args.fit, args.ref))}
    check_ids(args, readings, texts)
    return files, readings, texts


def _print_agreement(
    args: argparse.Namespace, files: list[dict], records: list[dict], texts: dict[str, dict[str, str]]
) -> None:
    """How far the members agree and, where the true texts are known, what the combination gains."""
    from vsr.evaluation.combined import agreement_lines, combination_figures

    members = [{key: record["text"] for key, record in own.items()} for own in files]
    print(*agreement_lines(records), sep="\n")
    found = combination_figures(texts[args.ref], members, records, args.normaliser) if args.ref else None
    if found:
        print(*found.lines(args.hypotheses), sep="\n")
    _tell_first(args, [own.wer for own in found.members] if found else [])


def _tell_first(args: argparse.Namespace, rates: list[float]) -> None:
    """On stderr, where the first member decides more than it should: two votes never outvote it, and it may not be the
    best by its error rate among all ``rates``."""
    import sys

    first, best = args.hypotheses[0], rates.index(min(rates)) if rates else 0
    fitted = args.fit or args.weights
    if args.method == "vote" and len(args.hypotheses) == 2 and not fitted:
        others = "a third member, --method confidence, or --fit"
        print(
            f"vsr combine: of two votes neither is the more: this is {first} as it was; {others} decides",
            file=sys.stderr,
        )
    elif rates and rates[best] < rates[0] and not fitted:
        named = f"{args.hypotheses[best]} ({rates[best]:.2%}) is better than {first} ({rates[0]:.2%})"
        print(f"vsr combine: {named}, which decides where votes are even: give the best first", file=sys.stderr)


def _combiner(args: argparse.Namespace, files: list, norm):
    """What combines so many members by the method, with the weights that are given. Raises VsrError."""
    from vsr.decoding.combiner import Combiner, check_confident

    if confident := args.method == "confidence":
        check_confident(files, args.hypotheses)
    combiner = Combiner(len(files), confident, _languages(args, norm), _restorers(args, len(files)))
    return combiner.with_weights_of(args.weights) if args.weights else combiner


def check_ids(args: argparse.Namespace, readings: dict, texts: dict[str, dict]) -> None:
    """Refuse lists without an utterance, and texts of others, before anything is combined. Raises VsrError."""
    from vsr.core.errors import VsrError

    if not readings:
        raise VsrError("bad_manifest", f"{args.hypotheses[0]}: there is no hypothesis in it")
    for path, found in texts.items():
        if not readings.keys() & found.keys():
            raise VsrError("bad_manifest", f"{path} has no text of the utterances of {args.hypotheses[0]}: other ids?")


def _check_files(args: argparse.Namespace) -> None:
    """Raises VsrError for files that may not be written."""
    from vsr.core.file_kinds import HYPOTHESES, json_kind
    from vsr.core.files import check_outputs

    inputs = [*args.hypotheses, *filter(None, (args.lm, args.ref, args.fit, args.weights))]
    weights = json_kind("weights of vsr combine", "weights")
    check_outputs(((args.out, HYPOTHESES), (args.save_weights, weights)), *inputs)


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, and a member that would vote twice. Raises VsrError."""
    from vsr.core.errors import VsrError

    _check_members(args.hypotheses)
    for method in ("lm", "llm"):
        given = getattr(args, method)
        if given and args.method not in ("lm", "llm")[method == "llm" :]:
            raise VsrError("bad_options", f"--{method} is for --method {method}, and this is {args.method}")
        if args.method == method and not given and not (method == "llm" and args.restorer):
            raise VsrError("bad_options", f"--method {method} needs --{method}")
    if args.restorer and args.method != "llm":
        raise VsrError("bad_options", f"--restorer is for --method llm, and this is {args.method}")
    if args.save_weights and not args.fit:
        raise VsrError("bad_options", "--save-weights needs --fit: there is nothing to save")
    if args.fit and args.weights:
        raise VsrError("bad_options", "--fit makes weights and --weights reads them: give one")


def _check_members(paths: list[str]) -> None:
    """Two members or more, none of them twice. Raises VsrError."""
    from itertools import combinations

    from vsr.core.errors import VsrError
    from vsr.core.files import same_file

    if len(paths) < 2:
        raise VsrError("bad_options", "one list of hypotheses is nothing to combine: give two or more")
    for first, second in combinations(paths, 2):
        if same_file(first, second):
            raise VsrError("bad_options", f"{second} is given twice, and would vote twice: give each member once")


def _fit_weights(combiner, lattices: dict, texts: dict[str, str], norm):
    """With weights that suit the utterances whose texts are known. Raises VsrError where there are none."""
    known = [key for key in lattices if key in texts]
    return combiner.fitted([lattices[key] for key in known], [norm(texts[key]).split() for key in known])


def _languages(args: argparse.Namespace, norm) -> dict:
    """Name -> log-probabilities of texts. Raises VsrError; prints the licence of a model on stderr."""
    import sys

    from vsr.decoding.llm import load_text_model
    from vsr.decoding.word_ngram import words_of

    found = {}
    if args.lm:
        found["lm"] = words_of(args.lm, norm).texts
    if args.llm:
        model = load_text_model(args.llm)
        print(f"vsr combine: {args.llm}: licence {model.licence}", file=sys.stderr)
        found["llm"] = model.sentences
    return found


def _restorers(args: argparse.Namespace, members: int) -> dict:
    """Name -> log-probabilities of texts, given the members' own. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.decoding.restorer_folder import load_restorer

    if not args.restorer:
        return {}
    restorer = load_restorer(args.restorer)
    settings = restorer.settings
    if settings.input != "text" or settings.lines != members:
        problem = f"{args.restorer} reads {settings.lines} lines of {settings.input}"
        raise VsrError("bad_options", f"{problem}, and there are {members} files of hypotheses")
    return {"restorer": restorer.log_probs}
