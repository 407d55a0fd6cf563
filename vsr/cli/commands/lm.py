"""`vsr lm train`: lines of text become a language model for the search."""

from __future__ import annotations

import argparse

from vsr.cli.training import add_training_arguments, check_training

HELP = "train a language model for the search"
ABOUT = """Trains a transformer on lines of text, from books or from the transcripts of manifests, on
the tokens of the lip reader that it will help. The search then adds its log-probability of
a text, times a weight that is chosen on a development list. --dry-run reads no data: it builds
the model without memory and prints its parameters."""
FILES = """reads   the YAML; the texts or manifests and the tokenizer it names
writes  model/ (the result) and the state of training, in the folder of the run"""
SEE = "vsr tokens, vsr decode, vsr rescore"
EXAMPLE = """vsr lm train --config conf/lm.yaml --out exp/lm
vsr lm train --config conf/lm.yaml --out exp/lm --set data.train=[books.txt,data/train.jsonl] trainer.max_minutes=30
vsr lm train --config conf/lm.yaml --dry-run
vsr decode --lm exp/lm/model --lm-weight 0.3 --manifest data/crops/test/manifest.jsonl --out exp/test.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("train",), help="train, or resume an interrupted run")
    add_training_arguments(parser, "text, tokenizer, model, optimiser, trainer")


def run(args: argparse.Namespace) -> int:
    """Train to the end of the schedule. Raises VsrError."""
    check_training(args)
    from vsr.training.config import load_config
    from vsr.training.dry_run import language_lines, print_lines
    from vsr.training.language import LanguageRun, LanguageTrainConfig
    from vsr.training.loop import train

    if args.dry_run:
        return print_lines(language_lines, load_config(args.config, args.set, LanguageTrainConfig))
    runs = {"train": LanguageRun}
    return train(runs[args.action], LanguageTrainConfig, args.config, args.set, args.out, args.resume)
