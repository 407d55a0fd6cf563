"""`lip2speech train`: train an acoustic model, or a token or text model, on crops and speech features."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train the acoustic model, or resume an interrupted run"
ABOUT = """Trains the acoustic model (from lips to mel and units) as configured in the YAML or, if it
has model.generator, a token model for `lip2speech speak --tokens`, with model.kind: text the
model of `lip2speech say`; --set overrides single settings. --resume continues an interrupted
run. --dry-run reads no data: it builds the model without memory and prints its parameters and
losses."""
FILES = """reads   the YAML; the manifests, features and lip reader it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech vocoder, lip2speech synthesize"
EXAMPLE = """lip2speech train --config conf/flow.yaml --out exp/flow
lip2speech train --config conf/flow.yaml --out exp/flow --resume
lip2speech train --config conf/mtp.yaml --out exp/mtp
lip2speech train --config conf/say.yaml --out exp/say
lip2speech train --config conf/flow.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from lip2speech.training.run_kinds import kind_of
    from vsr.training.config import load_config
    from vsr.training.dry_run import print_lines
    from vsr.training.loop import train

    kind = kind_of(args.config)
    if args.dry_run:
        return print_lines(kind.lines, load_config(args.config, args.set, kind.config))
    return train(kind.run, kind.config, args.config, args.set, args.out, args.resume)
