#!/usr/bin/env python3
"""Effect of a track of emotions on a unit voice: style according to a classifier, pitch, loudness and words.

    local/emotion_track_rows.py --voice DIR --scorer DIR --manifest FILE [--json FILE]

The neutral clips of a list of styles (local/styles.py) are resynthesised from their units in the voice of their
speaker, without emotion and with each; figures and --scorer as in local/emotion_rows.py, and the list's own recordings
of each style ("recordings") as the upper bound. A voice trained on shuffled styles is the control.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from emotion_rows import figures, row

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.speaker import reference_vector
from lip2speech.inference.folder import load_listener, load_model
from lip2speech.inference.revoicing import revoice
from lip2speech.inference.speakers import speaker_of
from vsr.core.files import write_text
from vsr.data.manifest import Clip, read_manifest
from vsr.media.audio import read_wave

NEUTRAL = "neutral"


class Resynthesis:
    """A voice with emotions on neutral recordings, and what is measured of it and of recordings."""

    def __init__(self, voice: str, scorer: Path, manifest: str):
        self.loaded, self.recogniser = load_model(acoustic=voice), PocketSphinxGrid()
        self.scorer = load_listener(scorer, self.loaded.voice)
        clips = read_manifest(manifest)
        self.by_style = {style: [c for c in clips if c.words[0][0] == style] for style in self.scorer.config.words}
        self.sources = self.by_style[NEUTRAL]
        self.speakers = [
            speaker_of(self.loaded, torch.from_numpy(reference_vector(clip.video))) for clip in self.sources
        ]

    def recorded(self, style: str) -> list[dict]:
        """Figures of the recordings of a style."""
        return [self.figures(clip, read_wave(clip.video)) for clip in self.by_style[style]]

    def resynthesised(self, emotion: str) -> list[dict]:
        """Figures of the neutral recordings in the voice, each with its own speaker."""
        pairs = zip(self.sources, self.speakers, strict=True)
        waves = [revoice(self.loaded, read_wave(clip.video), speaker, emotion=emotion) for clip, speaker in pairs]
        return [self.figures(clip, wave) for clip, wave in zip(self.sources, waves, strict=True)]

    def figures(self, clip: Clip, wave: np.ndarray) -> dict:
        """Figures of a wave that says the clip's text."""
        return figures(self.loaded, self.scorer, self.recogniser, clip, wave)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--voice", required=True, metavar="DIR", help="acoustic model with a condition of kind emotion"
    )
    options.add_argument("--scorer", required=True, type=Path, metavar="DIR")
    options.add_argument("--manifest", required=True, metavar="FILE")
    options.add_argument("--json", type=Path, metavar="FILE")
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    voice = Resynthesis(args.voice, args.scorer, args.manifest)
    words = sum(len(clip.text.split()) for clip in voice.sources)
    plain, natural, rows = voice.resynthesised(""), voice.recorded(NEUTRAL), {}
    for index, style in enumerate(voice.scorer.config.words):
        rows[f"recordings: {style}"] = row(index, voice.recorded(style), natural, words)
        rows[f"no emotion: {style}"] = row(index, plain, plain, words)
        rows[style] = row(index, voice.resynthesised(style), plain, words)
    for name, values in rows.items():
        print(f"{name:20}", json.dumps(values), flush=True)
    if args.json:
        count = len(voice.sources)
        write_text(args.json, json.dumps({"clips": count, "words": words, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
