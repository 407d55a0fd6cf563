"""`lip2speech import`: convert a published vocoder to a model folder."""

from __future__ import annotations

import argparse

HELP = "convert a published vocoder to a folder"
ABOUT = """Converts a published Vocos, config.yaml and pytorch_model.bin with any mel setting, to a
folder. The weights are read without executing anything in the file, and the waveform
matches the original's to 1e-5. A vocoder of the same sizes can start from it: lip2speech
vocoder --set trainer.init_from=DIR. Variants that read EnCodec codes are refused. Observe
the licence of the weights."""
FILES = """reads   a folder with config.yaml and pytorch_model.bin, or a model on the hub
writes  model.safetensors, config.json"""
SEE = "lip2speech vocoder, vsr import"
EXAMPLE = """lip2speech import vocos charactr/vocos-mel-24khz -o models/vocos
lip2speech import vocos downloads/vocos -o models/vocos"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("family", choices=("vocos",), help="what was published")
    parser.add_argument("source", metavar="DIR", help="folder with the two files, or org/name[@revision] on the hub")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the result")


def run(args: argparse.Namespace) -> int:
    """Convert, save and print a summary. Raises VsrError."""
    from lip2speech.vocoders.import_vocos import import_vocos

    importers = {"vocos": import_vocos}
    print(importers[args.family](args.source, args.out))
    return 0
