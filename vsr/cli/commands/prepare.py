"""`vsr prepare`: a corpus on disk, or one rendered on the spot, becomes named manifests."""

from __future__ import annotations

import argparse

from vsr.cli.options import positive

HELP = "make the manifests of a corpus: grid, landmarks, lrs3, lrs2, lrw, puppet, ..."
# Those that are read by one function (corpus, out, lists) -> report, each in the module of its name.
LISTED = ("lrs_voxmm", "wildvsr", "muavic", "cmlr", "lrw1000")
CORPORA = ("grid", "landmarks", "lrs3", "lrs2", "lrw", *LISTED, "puppet")
ABOUT = """Finds the clips of a corpus and writes one manifest per list (train, dev, test, ...), using
published lists or lists drawn with a fixed seed, and prints counts beside the published
ones. lrs_voxmm, wildvsr, muavic, cmlr and lrw1000 (whose images become crops) report which
clips of their own lists are missing. landmarks are tracks of the mouths of GRID's speakers,
without frames. puppet needs no corpus: it renders a talking photograph, spoken by eSpeak
NG."""
FILES = """reads   the folder of the corpus as its authors packed it; lists of clips
writes  NAME.jsonl for each list; puppet also writes its videos, lrw1000 crops, landmarks
        one track per sentence"""
SEE = "vsr validate, vsr crop"
EXAMPLE = """vsr prepare grid --corpus GRID --out data/manifests
vsr prepare landmarks --corpus LANDMARKS --lists data/manifests --out data/landmarks
vsr prepare lrs3 --corpus LRS3 --lists LISTS --out data/manifests
vsr prepare lrs3 --corpus LRS3 --out data/manifests --test-only
vsr prepare wildvsr --corpus WildVSR --out data/wildvsr
vsr prepare puppet --out data/puppet --train 160 --dev 10 --test 60 --jobs 2
vsr prepare puppet --parallel en --out data/en"""

OF_PUPPET = ("train", "dev", "test", "vocabulary", "sound_only", "voices", "parallel", "homophenes", "jobs")
WHERE = {  # options of other corpora work
    "corpus": "corpora that are not rendered", "seed": "grid, lrs3 and puppet", "dev_speakers": "landmarks",
    "lists": f"landmarks, lrs3, lrs2, {', '.join(LISTED)}", "max_seconds": "all lists of lrs3 and lrs2",
    "test_only": "lrs3 and lrs2",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("corpus_name", metavar="CORPUS", help=f"{', '.join(CORPORA)}, or one of a plugin's")
    parser.add_argument("--corpus", metavar="DIR", help="the folder that holds the corpus (all but puppet)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the manifests (and puppet's videos)")
    parser.add_argument("--seed", type=int, default=0, help="of the random lists and renderings (default: 0)")
    landmarks = parser.add_argument_group("landmarks")
    landmarks.add_argument("--dev-speakers", nargs="+", metavar="SPEAKER", help="speakers kept for dev.jsonl")
    lrs = parser.add_argument_group("lrs3 and lrs2")
    lists = "folder with the published lists of clips; landmarks: of GRID's manifests, whose dev and tests are left out"
    lrs.add_argument("--lists", metavar="DIR", help=lists)
    lrs.add_argument("--max-seconds", type=float, default=16.0, metavar="S", help="cut longer clips (default: 16)")
    lrs.add_argument("--test-only", action="store_true", help="only the test list; no other clips are needed")
    _add_puppet(parser.add_argument_group("puppet"))


def _add_puppet(puppet) -> None:
    """What is rendered."""
    for name, count in (("train", 160), ("dev", 10), ("test", 60)):
        puppet.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"clips (default: {count})")
    said = "grid, or a text file of sentences; es, fr, it, pt: as grid in that language, or es:FILE"
    puppet.add_argument("--vocabulary", default="grid", help=said)
    alone = "with --parallel: sound alone, .wav in place of video, in a hundredth of the time"
    puppet.add_argument("--sound-only", action="store_true", help=alone)
    few = "with --parallel: the first N voices of the language, 1 at one pace and pitch (default: all)"
    puppet.add_argument("--voices", type=positive, metavar="N", help=few)
    meant = "sentences that are parallel in en, es, de, it, pt and fr, in this language, with their translations"
    puppet.add_argument("--parallel", default="", metavar="LANG", help=meant)
    shown = "all sounds of a viseme class look the same, such as p, b and m"
    puppet.add_argument("--homophenes", action="store_true", help=shown)
    puppet.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    name = args.corpus_name
    heeded = {
        "corpus": name != "puppet", "seed": name in ("grid", "lrs3", "puppet") or name not in CORPORA,
        "dev_speakers": name == "landmarks", "lists": name in ("landmarks", "lrs3", "lrs2", *LISTED),
        "max_seconds": name in ("lrs3", "lrs2") and not args.test_only, "test_only": name in ("lrs3", "lrs2"),
    }  # fmt: skip
    heeded |= dict.fromkeys(OF_PUPPET, name == "puppet")
    return {option: WHERE.get(option, "puppet") for option, works in heeded.items() if not works}


def run(args: argparse.Namespace) -> int:
    """Prepare and print the counts. Raises VsrError."""
    _check_options(args)
    if args.corpus_name == "puppet":
        counts = _puppet(args)
    elif args.corpus_name == "grid":
        from vsr.corpora.grid import prepare_grid

        counts = prepare_grid(_folder(args), args.out, args.seed)
    elif args.corpus_name == "landmarks":
        from vsr.corpora.landmarks import DEV_SPEAKERS, prepare_landmarks

        counts = prepare_landmarks(_folder(args), args.out, args.lists, args.dev_speakers or DEV_SPEAKERS)
    elif args.corpus_name in CORPORA:
        print("\n".join(_report(args).lines()))
        return 0
    else:
        counts = _of_plugin(args)
    print("  ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Raises VsrError for numbers that cannot be."""
    from vsr.core.numbers import NOT_NEGATIVE, POSITIVE, SEED, check_number

    for name, allowed in (("train", NOT_NEGATIVE), ("dev", NOT_NEGATIVE), ("test", NOT_NEGATIVE), ("seed", SEED)):
        check_number(f"--{name}", getattr(args, name), allowed)
    check_number("--max-seconds", args.max_seconds, POSITIVE)


def _puppet(args: argparse.Namespace) -> dict[str, int]:
    """Render the puppet. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.core.files import check_outputs
    from vsr.corpora.puppet import PuppetSettings, prepare_parallel, prepare_puppet
    from vsr.corpora.puppet.languages import language_and_vocabulary

    language, vocabulary = language_and_vocabulary(args.vocabulary)
    if args.parallel and args.vocabulary != "grid":
        raise VsrError("bad_options", "--parallel has sentences of its own: leave --vocabulary out")
    if (args.sound_only or args.voices) and not args.parallel:
        raise VsrError("bad_options", "--sound-only and --voices work only with --parallel")
    names = ("train.jsonl", "dev.jsonl", "test.jsonl", "corpus.json")
    check_outputs((f"{args.out}/{name}" for name in names), vocabulary)
    settings = PuppetSettings(args.train, args.dev, args.test, args.seed, args.homophenes, args.jobs)
    if args.parallel:
        kind = "wav" if args.sound_only else "mp4"
        return prepare_parallel(args.out, args.parallel, settings, kind, args.voices or 0)
    return prepare_puppet(args.out, settings, vocabulary, language)


def _of_plugin(args: argparse.Namespace) -> dict[str, int]:
    """Prepare a corpus that is registered from outside. Raises VsrError for one that nobody knows."""
    from vsr.core.errors import VsrError
    from vsr.corpora.registry import CORPORA as PLUGINS

    if args.corpus_name not in PLUGINS:
        known = ", ".join([*CORPORA, *PLUGINS])
        raise VsrError("bad_options", f"no corpus is called {args.corpus_name!r}: it can be {known}")
    return PLUGINS[args.corpus_name](_folder(args), args.out, args.seed)


def _folder(args: argparse.Namespace) -> str:
    from vsr.core.errors import VsrError

    if not args.corpus:
        raise VsrError("bad_options", f"prepare {args.corpus_name} needs --corpus, the folder that holds the corpus")
    return args.corpus


def _report(args: argparse.Namespace):
    """Prepare a corpus whose published counts are known."""
    if args.corpus_name in LISTED:
        from importlib import import_module

        module = import_module(f"vsr.corpora.{args.corpus_name}")
        return getattr(module, f"prepare_{args.corpus_name}")(_folder(args), args.out, args.lists)
    if args.test_only:
        return _test_report(args)
    if args.corpus_name == "lrs3":
        from vsr.corpora.lrs3 import prepare_lrs3

        return prepare_lrs3(_folder(args), args.out, args.lists, args.seed, args.max_seconds)
    if args.corpus_name == "lrs2":
        from vsr.corpora.lrs2 import prepare_lrs2

        return prepare_lrs2(_folder(args), args.out, args.lists, args.max_seconds)
    from vsr.corpora.lrw import prepare_lrw

    return prepare_lrw(_folder(args), args.out)


def _test_report(args: argparse.Namespace):
    """Prepare the test list alone."""
    if args.corpus_name == "lrs3":
        from vsr.corpora.lrs3 import prepare_lrs3_test

        return prepare_lrs3_test(_folder(args), args.out)
    from vsr.corpora.lrs2 import prepare_lrs2_test

    return prepare_lrs2_test(_folder(args), args.out, args.lists)
