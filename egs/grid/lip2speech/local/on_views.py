#!/usr/bin/env python3
"""Run lip2speech train with the views of a frozen encoder stored in a file, so that all arms of a comparison share
them.

    local/on_views.py --config conf/text.yaml --views exp/views.safetensors --out exp/text [--blind]
        [--resume] [--set KEY=VALUE ...]

--blind replaces the views by zeros: an arm without lips. The encoder is that of trainer.init_from, or of the voice of a
token model. The first arm writes the file (and for a token model a second one, of the dev list). Run it in the recipe's
work folder.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lip2speech.training.acoustic import VoiceRun
from lip2speech.training.run_kinds import VOICE, kind_of
from lip2speech.training.tokens import TokenRun
from vsr.training.loop import train

VIEWS, BLIND = Path(), False


def stored_views(clips, views: int, make, path: Path):
    """The views of the clips from the file; if it does not exist, those of ``make()``, which are stored."""
    names = [[f"{clip.id}/{view}" for view in range(views)] for clip in clips]
    if not path.is_file():
        flat = zip(sum(names, []), sum(make(), []), strict=True)
        save_file(dict(flat), str(path))
    stored = load_file(str(path))
    views_of_clips = [[stored[name] for name in row] for row in names]
    return [[torch.zeros_like(view) for view in row] for row in views_of_clips] if BLIND else views_of_clips


class VoiceRunOnViews(VoiceRun):
    """An acoustic model's run with stored views."""

    def _views(self, model):
        return stored_views(
            self.train.clips, self.config.data.views, lambda: super(VoiceRunOnViews, self)._views(model), VIEWS
        )


class TokenRunOnViews(TokenRun):
    """A token model's run with stored views."""

    def _views(self, clips, views):
        path = VIEWS if clips.crops.augmentation else VIEWS.with_suffix(".dev.safetensors")
        return stored_views(clips.clips, views, lambda: super(TokenRunOnViews, self)._views(clips, views), path)


def main() -> None:
    """Train."""
    global VIEWS, BLIND
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--views", required=True, type=Path)
    parser.add_argument("--out", required=True)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--set", nargs="+", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    VIEWS, BLIND = args.views, args.blind
    kind = kind_of(args.config)
    train(
        VoiceRunOnViews if kind is VOICE else TokenRunOnViews, kind.config, args.config, args.set, args.out, args.resume
    )


if __name__ == "__main__":
    main()
