"""`lip2speech train`: crops and speech features become an acoustic model."""

from __future__ import annotations

import argparse

HELP = "train the acoustic model, or go on with an interrupted run"
ABOUT = """Trains the acoustic model (what is seen to mel and units) as the YAML says; --set
replaces single settings. --resume goes on with an interrupted run."""
FILES = """reads   the YAML; the manifests, features and lip reader it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech vocoder, lip2speech synthesize"
EXAMPLE = """lip2speech train --config conf/flow.yaml --out exp/flow
lip2speech train --config conf/flow.yaml --out exp/flow --resume"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", required=True, metavar="YAML", help="model, data, optimiser, trainer")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the run; its model/ is the result")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings that replace the YAML's")


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    from lip2speech.training.acoustic import VoiceRun, VoiceTrainConfig
    from vsr.core.files import check_output
    from vsr.training.loop import train

    check_output(f"{args.out}/config.yaml", args.config)
    return train(VoiceRun, VoiceTrainConfig, args.config, args.set, args.out, args.resume)
