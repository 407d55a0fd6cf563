"""The options of verbs that train from a YAML, for both programs."""

from __future__ import annotations

import argparse
from pathlib import Path

CONTENTS = "model, data, optimiser, trainer"


def add_training_arguments(parser: argparse.ArgumentParser, contents: str = CONTENTS) -> None:
    """--config, whose YAML has ``contents``, --out (or --dry-run), --resume and --set."""
    parser.add_argument("--config", required=True, metavar="YAML", help=contents)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="DIR", help="folder of the run; its model/ is the result")
    where.add_argument("--dry-run", action="store_true", help="print what would be trained, without data")
    parser.add_argument("--resume", action="store_true", help="resume from the last checkpoint in the folder")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings that override the YAML")


def check_training(args: argparse.Namespace) -> None:
    """Refuse a YAML that is absent, and a YAML or a model that the run would write over and did not write, before the
    libraries are loaded. Raises VsrError."""
    from vsr.core.artifacts import recorded_kind
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output

    if not Path(args.config).is_file():
        raise VsrError("bad_config", f"--config {args.config}: no such file")
    if args.out:
        ours = None if args.resume else recorded_kind("the configuration of a run, as it was written")
        check_output(f"{args.out}/config.yaml", args.config, kind=ours)
        out = Path(args.out)
        if (out / "model").exists() and not (args.resume or (out / "last.pt").exists()):
            raise VsrError("exists", f"{out / 'model'} exists and belongs to no run in {out}: choose another --out")
