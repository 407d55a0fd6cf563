"""`lip2speech translator`: train a translator of speech units on parallel recordings in several languages."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train a translator of speech units"
ABOUT = """Trains the translator of a voice that speaks units: from the units of speech in one language
to those of the same sentence in another, with one model for all languages. Put its model/
into the voice's folder as translator/, and `lip2speech translate` can use it."""
FILES = """reads   the YAML; the manifests with languages, translations and sounds that it names;
        the codebook, which is to be that of the voice
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech translate, lip2speech units, lip2speech train"
EXAMPLE = """lip2speech translator --config conf/translator.yaml --out exp/translator
lip2speech translator --config conf/translator.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from lip2speech.training.translator import TranslatorRun, TranslatorTrainConfig, translator_lines
    from vsr.training.config import load_config
    from vsr.training.dry_run import print_lines
    from vsr.training.loop import train

    if args.dry_run:
        return print_lines(translator_lines, load_config(args.config, args.set, TranslatorTrainConfig))
    return train(TranslatorRun, TranslatorTrainConfig, args.config, args.set, args.out, args.resume)
