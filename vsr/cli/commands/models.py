"""`vsr models`: the published readers by name; lists them, and fetches one before it is needed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from vsr.core.renamed_settings import add_earlier_option

HELP = "list the published models, download one, or print where one is"
ABOUT = """Lists the published models by name: what each reads and writes, its published error rate,
its licence, its source, and whether it is downloaded. Any --model takes such a name and
downloads the model the first time: its licence is shown and must be accepted once, an
interrupted download continues, and a file whose SHA-256 differs from that of the first
download is refused. The model is converted and stored in the cache (VSR_CACHE, else
XDG_CACHE_HOME/vsr, else ~/.cache/vsr); from then on no network is needed. HF_ENDPOINT sets
another address for the hub, VSR_MIRROR a mirror for every other host. Models that no
program may download are listed with instructions for doing so by hand."""
FILES = """reads   the web, with get; with --from: files downloaded by hand
        with --whisper: a Whisper in safetensors
writes  with get: models/NAME in the cache"""
SEE = "vsr transcribe, vsr import"
EXAMPLE = """vsr models
vsr models where lrs3
vsr models list spanish lrs3
vsr models get lrs3 --accept-licence
vsr models get spanish --from downloads/CMUMOSEAS_V_ES_WER44.5
vsr models get cogenav --from large_cogenav.pt --whisper whisper-medium
vsr transcribe talk.mp4 --model lrs3"""

WANTED = {"fetched": "no", "by hand": "no, by hand"}  # of what is not here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "get", "where"),
        default="list",
        help="default: list; where: the folder of anything that --model takes",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of models; without: all of them")
    parser.add_argument("--json", action="store_true", help="list as JSON, with all that is known")
    parser.add_argument("--accept-licence", action="store_true", help="accept the licence of the model")
    parser.add_argument("--from", dest="source", metavar="PATH", help="files downloaded by hand")
    parser.add_argument("--whisper", metavar="DIR", help="for cogenav: folder of the Whisper that writes its text")
    parser.add_argument("--force", action="store_true", help="download and convert again what is here")
    add_earlier_option(parser, "--again", "--force")


def run(args: argparse.Namespace) -> int:
    """List, or fetch and print the folders. Raises VsrError."""
    from vsr.modelstore.catalogue import CATALOGUE
    from vsr.modelstore.store import entry_of

    if args.action == "where":
        return _print_folders(args)
    models = [entry_of(name) for name in args.names] or list(CATALOGUE)
    return _get(models, args) if args.action == "get" else _list(models, args)


def _get(models: Sequence, args: argparse.Namespace) -> int:
    from vsr.core.errors import VsrError
    from vsr.modelstore.store import fetched_folder

    if not args.names:
        raise VsrError("bad_options", "vsr models get needs a name: vsr models lists them")
    if (args.source or args.whisper) and len(models) > 1:
        raise VsrError("bad_options", "--from and --whisper are for one model: give one name")
    if args.json:
        raise VsrError("bad_options", "--json is for the list")
    for entry in models:
        print(f"{entry.name}: {fetched_folder(entry, args.accept_licence, args.source, args.force, args.whisper)}")
    return 0


def _print_folders(args: argparse.Namespace) -> int:
    """Print the folder of each model, as `--model` finds it: what is not here is fetched."""
    from vsr.core.errors import VsrError
    from vsr.modelstore.checkpoint import read_config
    from vsr.modelstore.folder import find_model

    if args.json or _only_of_get(args) or not args.names:
        raise VsrError("bad_options", "vsr models where takes names of models, folders or org/name, and no options")
    for name in args.names:
        folder = find_model(name)
        read_config(folder)  # refuses a file or a folder that is no model
        print(folder)
    return 0


def _list(models: Sequence, args: argparse.Namespace) -> int:
    from vsr.core.errors import VsrError
    from vsr.modelstore.store import is_available

    if _only_of_get(args):
        raise VsrError("bad_options", "--accept-licence, --from, --whisper and --force are for vsr models get NAME")
    if args.json:
        records = [asdict(entry) | {"here": is_available(entry)} for entry in models]
        print(json.dumps(records, indent=2, ensure_ascii=False))
        return 0
    head = ("name", "lang", "reads", "writes", "MB", "published error", "here")
    rows = [
        (own.name, own.language, own.kind, own.words, _size(own), own.error, _state(own)) for own in models
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    print(_row(head, widths))
    for entry, row in zip(models, rows, strict=True):
        print(_row(row, widths))
        origin = f"by {entry.source}; " if entry.source != "-" else ""
        print(f"    {origin}{entry.licence.name}; {entry.place}" + (f"\n    {entry.note}" if entry.note else ""))
    return 0


def _only_of_get(args: argparse.Namespace) -> bool:
    """Whether options were given that are of vsr models get."""
    return bool(args.accept_licence or args.source or args.whisper or args.force)


def _state(entry) -> str:
    """In a few words: here, or what it takes."""
    from vsr.modelstore.store import is_available

    return "yes" if is_available(entry) else WANTED[entry.state]


def _size(entry) -> str:
    return str(entry.size or "?") if entry.family else "-"


def _row(cells: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
