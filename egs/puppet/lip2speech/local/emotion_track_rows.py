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

import torch
from emotion_rows import figures, row

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.speaker import reference_vector
from lip2speech.inference.folder import load_listener, load_model
from lip2speech.inference.revoicing import revoice
from lip2speech.inference.speakers import speaker_of
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.media.audio import read_wave

NEUTRAL = "neutral"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", required=True, metavar="DIR", help="acoustic model with a condition of kind emotion")
    parser.add_argument("--scorer", required=True, type=Path, metavar="DIR")
    parser.add_argument("--manifest", required=True, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded, recogniser = load_model(acoustic=args.voice), PocketSphinxGrid()
    scorer = load_listener(args.scorer, loaded.voice)
    clips = read_manifest(args.manifest)
    clips_of_style = {style: [clip for clip in clips if clip.words[0][0] == style] for style in scorer.config.words}
    sources = clips_of_style[NEUTRAL]
    words = sum(len(clip.text.split()) for clip in sources)
    speakers = [speaker_of(loaded, torch.from_numpy(reference_vector(clip.video))) for clip in sources]

    def resynthesised(emotion: str) -> list[dict]:
        pairs = zip(sources, speakers, strict=True)
        waves = [revoice(loaded, read_wave(clip.video), speaker, emotion=emotion) for clip, speaker in pairs]
        return [figures(loaded, scorer, recogniser, clip, wave) for clip, wave in zip(sources, waves, strict=True)]

    def recorded(recordings) -> list[dict]:
        return [figures(loaded, scorer, recogniser, clip, read_wave(clip.video)) for clip in recordings]

    plain, natural, rows = resynthesised(""), recorded(sources), {}
    for index, style in enumerate(scorer.config.words):
        rows[f"recordings: {style}"] = row(index, recorded(clips_of_style[style]), natural, words)
        rows[f"no emotion: {style}"] = row(index, plain, plain, words)
        rows[style] = row(index, resynthesised(style), plain, words)
    for name, values in rows.items():
        print(f"{name:20}", json.dumps(values), flush=True)
    if args.json:
        write_text(args.json, json.dumps({"clips": len(sources), "words": words, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
