"""`lip2speech push`: publish a voice on the hub, with a model card."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsr.cli.commands import push

HELP = "publish a voice on the hub (huggingface.co)"
ABOUT = """Loads the voice once to check that it is complete, and commits acoustic/ and vocoder/ to the
repository, with a page made from MODEL_CARD.md (or else the configuration), the figures of
--results and the licence. No other file of the folder is uploaded. Log in first with: hf
auth login."""
FILES = """reads   a folder with acoustic/ and vocoder/; result.json of lip2speech results
writes  nothing here; on the hub: the model's files and README.md"""
SEE = "lip2speech results, lip2speech speak, vsr push"
EXAMPLE = """lip2speech push exp/voice org/name --licence apache-2.0 --results egs/grid/lip2speech/result.json
lip2speech push exp/voice org/name --licence cc-by-4.0 --private --dry-run"""

add_arguments = push.add_arguments


def run(args: argparse.Namespace) -> int:
    """Check, upload and print the address. Raises VsrError."""
    from lip2speech.evaluation.card import voice_card
    from lip2speech.inference.folder import load_model

    folder = Path(args.folder)
    loaded = load_model(folder)
    return push.deliver(folder, voice_card(loaded, args.repository, args.licence, args.results), args)
