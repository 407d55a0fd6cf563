"""`vsr train`: a configuration and manifests of crops become a model folder."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train a lip reader, or resume an interrupted run"
ABOUT = """Trains a lip reader on crops as configured in the YAML; --set overrides single settings. The
state is saved every few minutes, and on Ctrl-C and SIGTERM after the running step: --resume
continues with the same losses. Training refuses lists that share a clip with the development
or a test list. --dry-run reads no data: it builds the model without memory and prints its
parameters and losses. A YAML with llm: trains a language model that turns phonemes, visemes or
hypotheses into sentences (vsr restore, vsr combine --restorer)."""
FILES = """reads   the YAML; the manifests of crops and the tokenizer it names
writes  model/ (the result), last.pt, epochs, TensorBoard logs, in the folder of the run"""
SEE = "vsr average, vsr decode, vsr tokens"
EXAMPLE = """vsr train --config conf/video_transformer.yaml --out exp/video_transformer
vsr train --config conf/video_transformer.yaml --out exp/short --set trainer.max_minutes=5 optim.lr=5e-4
vsr train --config conf/video_transformer.yaml --out exp/video_transformer --resume
vsr train --config conf/vallr.yaml --dry-run
vsr train --config conf/llm_text.yaml --out exp/llm_text --set llm.backbone=SmolLM2
vsr train --config conf/llm_stack.yaml --out exp/llm_stack --resume
torchrun --nproc-per-node 8 -m vsr.cli train --config conf/large.yaml --out exp/large --set trainer.strategy=fsdp"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_training_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from vsr.training.config import TrainConfig, load_config
    from vsr.training.dry_run import lip_reader_lines, print_lines
    from vsr.training.loop import train
    from vsr.training.restoring_verb import is_restorer_config, trained_restorer

    if is_restorer_config(args.config):
        return trained_restorer(args)
    if args.dry_run:
        return print_lines(lip_reader_lines, load_config(args.config, args.set))
    return train(_create_run, TrainConfig, args.config, args.set, args.out, args.resume)


def _create_run(config, out: str, resume: bool):
    """The run of a reader of what the configuration says: tracks, units, lips and sound, or lips. Raises VsrError."""
    from vsr.training.audio_visual import AudioVisualRun, hears
    from vsr.training.landmarks import LandmarkRun
    from vsr.training.lipreader import LipReaderRun
    from vsr.training.units import UnitRun, reads_units

    if config.model.get("frontend") == "landmarks":
        return LandmarkRun(config, out, resume)
    if reads_units(config):
        return UnitRun(config, out, resume)
    return (AudioVisualRun if hears(config) else LipReaderRun)(config, out, resume)
