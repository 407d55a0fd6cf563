"""`lip2speech face`: train a network that predicts a voice from a face, on crops and speaker vectors."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train a network that predicts a voice from a face"
ABOUT = """Trains a small network that predicts a speaker vector from mouth crops (the speaker part of
DiffV2S), as configured in the YAML. Put its model/ into a voice's acoustic/ folder as
face/: --reference face then speaks with it, and lip2speech match uses it to rank faces.
With few people it memorises them; the people of the dev list must not be in the training
list. --dry-run reads no data: it builds the model and prints its parameters."""
FILES = """reads   the YAML; the manifests of crops and the features it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech speak, lip2speech match, lip2speech train"
EXAMPLE = """lip2speech face --config conf/face.yaml --out exp/face
lip2speech face --config conf/face.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from lip2speech.training.face_voice import FaceRun, FaceTrainConfig, face_lines
    from vsr.training.config import load_config
    from vsr.training.dry_run import print_lines
    from vsr.training.loop import train

    if args.dry_run:
        return print_lines(face_lines, load_config(args.config, args.set, FaceTrainConfig))
    return train(FaceRun, FaceTrainConfig, args.config, args.set, args.out, args.resume)
