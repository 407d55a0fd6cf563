"""`lip2speech listener`: train a recogniser of words in mels, which pulls a voice towards its text."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train a listener, which guides a voice towards given words"
ABOUT = """Trains the listener of a voice, a small network that recognises words in mels, on natural
sound, as configured in the YAML; it takes a minute. Put its model/ into the voice's
acoustic/ folder as listener/, and `lip2speech speak --text` can use it."""
FILES = """reads   the YAML; the manifests with times of words, features and voice it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech speak, lip2speech train"
EXAMPLE = """lip2speech listener --config conf/listener.yaml --out exp/listener
lip2speech listener --config conf/listener.yaml --out exp/other --set seed=1
lip2speech listener --config conf/listener.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from lip2speech.training.listener import ListenerRun, ListenerTrainConfig, listener_lines
    from vsr.training.config import load_config
    from vsr.training.dry_run import print_lines
    from vsr.training.loop import train

    if args.dry_run:
        return print_lines(listener_lines, load_config(args.config, args.set, ListenerTrainConfig))
    return train(ListenerRun, ListenerTrainConfig, args.config, args.set, args.out, args.resume)
