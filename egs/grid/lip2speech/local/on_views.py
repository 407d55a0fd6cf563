#!/usr/bin/env python3
"""lip2speech train with the views of a frozen encoder kept in a file, so that arms of one comparison see the same.

    local/on_views.py --config conf/text.yaml --views exp/views.safetensors --out exp/text [--blind] [--set KEY=VALUE]

--blind shows zeros in the place of the views: an arm without lips. The encoder is that of trainer.init_from; the file
is made by the first arm. Run it in the recipe's work folder.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lip2speech.training.acoustic import VoiceRun, VoiceTrainConfig
from vsr.training.loop import train

VIEWS, BLIND = Path(), False


class KeptViews(VoiceRun):
    """A run whose views are read where they are kept."""

    def _views(self, model):
        names = [[f"{clip.id}/{view}" for view in range(self.config.data.views)] for clip in self.train.clips]
        if not VIEWS.is_file():
            found = super()._views(model)
            flat = zip(sum(names, []), sum(found, []), strict=True)
            save_file(dict(flat), str(VIEWS))
        stored = load_file(str(VIEWS))
        views = [[stored[name] for name in row] for row in names]
        return [[torch.zeros_like(own) for own in row] for row in views] if BLIND else views


def main() -> None:
    """Train."""
    global VIEWS, BLIND
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--views", required=True, type=Path)
    parser.add_argument("--out", required=True)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--set", nargs="+", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    VIEWS, BLIND = args.views, args.blind
    train(KeptViews, VoiceTrainConfig, args.config, args.set, args.out, False)


if __name__ == "__main__":
    main()
