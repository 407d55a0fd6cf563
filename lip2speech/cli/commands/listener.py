"""`lip2speech listener`: natural mels and the times of their words become what pulls a voice towards its text."""

from __future__ import annotations

import argparse

HELP = "train what listens to a voice while it is given words"
ABOUT = """Trains the listener of a voice, a small network that recognises words in mels, on
natural sound, as the YAML says; it takes a minute. Put its model/ into the voice's
acoustic/ folder as listener/, and `lip2speech speak --text` can use it."""
FILES = """reads   the YAML; the manifests with times of words, features and voice it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech speak, lip2speech train"
EXAMPLE = """lip2speech listener --config conf/listener.yaml --out exp/listener
lip2speech listener --config conf/listener.yaml --out exp/other --set seed=1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", required=True, metavar="YAML", help="data, model, optimiser, trainer")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the run; its model/ is the result")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings that replace the YAML's")


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    from lip2speech.training.listener import ListenerRun, ListenerTrainConfig
    from vsr.core.files import check_output
    from vsr.training.loop import train

    check_output(f"{args.out}/config.yaml", args.config)
    return train(ListenerRun, ListenerTrainConfig, args.config, args.set, args.out, args.resume)
