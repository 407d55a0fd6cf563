#!/usr/bin/env python3
"""Write a reader of published size with random weights, to measure its cost without downloading one.

    tools/bench/published_size.py DIR [--size large]

large: ResNet-18, Conformer of 12 layers of 768, decoder of 6, 5049 tokens (250 M), with a language model of 16 layers
of 512 (54 M, as in the zoo) in DIR/lm, searched with a beam of 40. base: 256 wide, 12 and 6 layers (56 M), and the same
language model. Its output is meaningless; its search ends at the length that `--tokens` of the benches allows.
"""

import argparse
from pathlib import Path

import torch

from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import LANGUAGE_MODEL, save_model
from vsr.text.tokenizer import ListTokenizer

UNITS = 5046  # and blank, unknown, end
SIZES = {
    "base": {"dim": 256, "heads": 4, "hidden": 2048, "decoder_hidden": 2048},
    "large": {"dim": 768, "heads": 12, "hidden": 3072, "decoder_hidden": 3072},
}
LANGUAGE = {"dim": 512, "heads": 8, "hidden": 2048, "layers": 16, "embed_dim": 128, "activation": "relu"}
DECODE = {"beam": 40, "ctc_weight": 0.1, "lm": "lm", "lm_weight": 0.3}


def make(folder: Path, size: str) -> None:
    """Write the reader and its language model."""
    torch.manual_seed(0)
    tokenizer = ListTokenizer([f"\u2581{number}" for number in range(UNITS)])
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="resnet3d", layers=12, kernel=31, decoder_layers=6, activation="relu",
        ctc_weight=0.1, alignment_weight=0.0, **SIZES[size],
    )  # fmt: skip
    save_model(folder, LipReader(config), tokenizer, {"name": f"random-{size}", "decode": DECODE}, half=True)
    language = LanguageModel(LanguageModelConfig(tokenizer.vocab_size, positions=False, **LANGUAGE))
    save_model(folder / "lm", language, tokenizer, {"name": "random", "kind": LANGUAGE_MODEL}, half=True)


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="large")
    args = parser.parse_args()
    make(args.folder, args.size)


if __name__ == "__main__":
    main()
