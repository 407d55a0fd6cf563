"""`vsr decode`: a manifest of mouth crops becomes hypotheses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vsr.cli.options import add_model_argument
from vsr.cli.search_options import add_search_arguments, check_head, language_files, search_options, unused_in_search
from vsr.core.errors import VsrError
from vsr.core.hub import HUB_ID
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.data.modalities import MODALITIES
from vsr.decoding.head_names import check_head_name
from vsr.modelstore.folder import NAMES

HELP = "read the lips of a corpus of crops, in sentences or in single words"
ABOUT = """Reads a whole list of crops in batches and writes the hypotheses, with word times,
confidence and n-best lists. --calibrate fits the confidence on a development list and
stores it in the model. A clip whose mouth changes too few times a second to be read well
has "problems" in its line, and words that are guesses have an "in_domain" below 0.5."""
FILES = """reads   a manifest that vsr crop wrote, and its crops; a model
writes  JSON Lines, one hypothesis per clip; with --calibrate: the model's config.json"""
SEE = "vsr score, vsr rescore, vsr transcribe"
EXAMPLE = """vsr decode --model exp/model --manifest data/crops/test/manifest.jsonl --out exp/test.jsonl
vsr decode --model exp/model --manifest data/crops/dev/manifest.jsonl --out exp/dev.jsonl --calibrate
vsr decode --lm exp/lm/model --ngram words.arpa --manifest data/crops/test/manifest.jsonl --out exp/test.jsonl
vsr decode --head ctc --manifest data/crops/test/manifest.jsonl --out exp/ctc.jsonl
vsr decode --model grid-av --modality sound --manifest data/sound/test/manifest.jsonl --out exp/sound.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    files = parser.add_argument_group("input and output")
    add_model_argument(files)
    files.add_argument("--manifest", required=True, metavar="JSONL", help="manifest that vsr crop wrote")
    files.add_argument("--out", required=True, metavar="JSONL", help="hypotheses, one per line")
    add_device_argument(parser, "auto")
    add_precision_argument(parser)
    parser.add_argument(
        "--calibrate", action="store_true", help="fit the word confidence on this (dev) list and store it in the model"
    )
    parser.add_argument("--head", default="", metavar="NAME", help="write the output of one head alone, such as ctc")
    parser.add_argument(
        "--modality", default="", choices=tuple(MODALITIES), metavar="M",
        help="for audio-visual models: video, sound or both (default: all that it reads)",
    )  # fmt: skip
    add_search_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_in_search(args)


def run(args: argparse.Namespace) -> int:
    """Decode, and print how many clips there were. Raises VsrError."""
    given = _checked(args)
    from vsr.cli.clip_list_messages import tell_missing_tracks
    from vsr.data.manifest import read_manifest
    from vsr.decoding.corpus import calibrate, decode_manifest
    from vsr.decoding.defaults import check_search, options_for
    from vsr.modelstore.folder import load_model

    check_search(args.model, given)
    loaded = load_model(args.model, args.device, args.precision)
    options = options_for(loaded, given)
    records = decode_manifest(loaded, args.manifest, args.out, options, not args.calibrate, args.head, args.modality)
    print(f"{len(records)} clips decoded to {args.out}")
    _warn(records, loaded.name)
    tell_missing_tracks(loaded, read_manifest(args.manifest))
    if args.calibrate:
        found = calibrate(loaded, args.manifest, records)
        print(f"confidence fitted on {found['words']} words, expected calibration error {found['ece']:.3f}")
    return 0


def _warn(records: list[dict], model: str) -> None:
    """What `vsr transcribe` says of a video, of those clips of which it holds."""
    from vsr.cli.clip_list_messages import tell_few_frames, tell_guesses
    from vsr.decoding.guesses import is_guess
    from vsr.face.skipped import FEW_FRAMES

    tell_few_frames([own["id"] for own in records if FEW_FRAMES in own.get("problems", ())], len(records))
    guessed = [own["id"] for own in records if own["text"] and is_guess(own.get("in_domain"))]
    tell_guesses(guessed, len(records), model)


def _checked(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the search. Raises VsrError for options and files that do not do."""
    from vsr.core.file_kinds import HYPOTHESES
    from vsr.core.files import check_output

    check_output(args.out, args.manifest, *language_files(args), kind=HYPOTHESES)
    given = search_options(args)
    check_head(args.head or None, given)
    if args.calibrate and args.head:
        raise VsrError("bad_options", "--calibrate works only with the usual search: leave --head out")
    if args.calibrate:
        check_own_model(args.model)
    check_head_name(args.model, args.head)
    return given


def check_own_model(model: str | None) -> None:
    """Refuse to calibrate what is not the user's: the package, or the hub's cache, which others read and may renew."""
    if model is not None and (Path(model).exists() or not (model in NAMES or HUB_ID.fullmatch(model))):
        return
    copy = "the model in the package is not changed: copy its folder"
    if model is not None and model not in NAMES:
        get = f"hf download {model.partition('@')[0]} --local-dir DIR"
        copy = f"{model} is no folder here, and the hub's cache is not changed: {get}"
    raise VsrError("not_writable", f"calibration stores the confidence in the model; {copy}, and give it with --model")
