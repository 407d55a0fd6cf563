"""`lip2speech vocoder`: train a vocoder on speech features."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train the vocoder, or resume an interrupted run"
ABOUT = """Trains the vocoder (from mel, units and speaker to the waveform) as configured in the YAML,
or fine-tunes one on the mels that an acoustic model makes. --resume continues an
interrupted run. --dry-run reads no data: it builds generator and discriminators without memory
and prints their parameters and losses."""
FILES = """reads   the YAML; the manifests and features it names
writes  model/ (the result), last.pt, TensorBoard logs, in the folder of the run"""
SEE = "lip2speech train, lip2speech synthesize"
EXAMPLE = """lip2speech vocoder --config conf/vocoder.yaml --out exp/vocoder
lip2speech vocoder --config conf/vocoder.yaml --out exp/tuned --set trainer.init_from=exp/vocoder/model \\
    data.predicted=exp/flow/train
lip2speech vocoder --config conf/vocoder.yaml --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser, "model, data, losses, optimiser, trainer")


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from lip2speech.training.vocoder import VocoderRun, vocoder_lines
    from lip2speech.vocoders.config import VocoderTrainConfig
    from vsr.training.config import load_config
    from vsr.training.dry_run import print_lines
    from vsr.training.loop import train

    if args.dry_run:
        return print_lines(vocoder_lines, load_config(args.config, args.set, VocoderTrainConfig))
    return train(VocoderRun, VocoderTrainConfig, args.config, args.set, args.out, args.resume)
