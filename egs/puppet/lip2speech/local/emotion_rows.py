#!/usr/bin/env python3
"""Effect of `--emotion` on a voice: style according to a second classifier, pitch, loudness and words.

    local/emotion_rows.py --manifest FILE --knows DIR --scorer DIR [--wrong DIR] [--most N] [--strengths A,B ...]
        [--json FILE]

The shipped voice speaks the first N clips of a list of crops, unchanged and guided with each strength towards each
style of the listener --knows. --scorer is a listener of another seed; --wrong, as a control, guides with one that was
trained on shuffled styles. Prints for each style and strength the share of the steps that the scorer classifies as the
style, of those that it classifies as any (chance: 1 / number of styles), the changes of median pitch, of the standard
deviation of pitch in semitones and of loudness against the unchanged voice, and the ASR word error rate
(pocketsphinx-grid) with the interval of 1,000 paired bootstraps against the unchanged voice.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.pitch import pitch
from lip2speech.inference.folder import load_listener, load_model
from lip2speech.inference.speakers import speaker_of
from lip2speech.inference.voicing import voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.emotion_options import parse_emotion
from vsr.core.files import write_text
from vsr.data.manifest import Clip, read_manifest
from vsr.evaluation.wer import word_errors
from vsr.media.mel import log_mel


def style_shares(loaded, scorer, wave: np.ndarray) -> np.ndarray:
    """Share (V,) of each style among the steps that are classified as any style."""
    pairs = loaded.voice.normalise(log_mel(torch.from_numpy(wave))[None].float())
    with torch.inference_mode():
        classes = scorer(pairs, torch.ones(pairs.shape[:2], dtype=torch.bool))[0].argmax(-1)
    styles = classes[classes > 0] - 1
    return np.bincount(styles, minlength=len(scorer.config.words)) / max(1, len(styles))


def figures(loaded, scorer, recogniser, clip, wave: np.ndarray) -> dict:
    """Figures of one voice."""
    f0 = pitch(wave)
    voiced = 12 * np.log2(f0[f0 > 0] / 100) if (f0 > 0).any() else np.zeros(1)
    level = 10 * np.log10(np.mean(wave**2) + 1e-9)
    wrong = word_errors(clip.text, recogniser.transcribe(wave))[0]
    return {"heard": style_shares(loaded, scorer, wave), "pitch": float(np.median(voiced)),
            "range": float(voiced.std()), "level": float(level), "wrong": wrong}  # fmt: skip


def row(style: int | None, each: list[dict], plain: list[dict], words: int) -> dict:
    """Means over the clips, relative to the unchanged voice ``plain``."""
    share = None if style is None else float(np.mean([new["heard"][style] for new in each]))
    changes = {name: float(np.mean([new[name] - old[name] for new, old in zip(each, plain, strict=True)]))
               for name in ("pitch", "range", "level")}  # fmt: skip
    added_errors = np.array([new["wrong"] - old["wrong"] for new, old in zip(each, plain, strict=True)])
    draws = np.random.default_rng(0).integers(0, len(added_errors), (1000, len(added_errors)))
    low, high = np.quantile(100 * added_errors[draws].sum(1) / words, [0.025, 0.975])
    return {"heard": share, **changes, "wer": 100 * sum(new["wrong"] for new in each) / words, "change": [low, high]}


class Voice:
    """The shipped voice on some clips, and what is measured of it."""

    def __init__(self, clips: Sequence[Clip], scorer: Path):
        self.clips, self.loaded, self.recogniser = clips, load_model(), PocketSphinxGrid()
        self.scorer = load_listener(scorer, self.loaded.voice)
        self.crops, self.speaker = [np.load(clip.crop) for clip in clips], speaker_of(self.loaded, None)

    def figures(self, emotion=None) -> list[dict]:
        """Figures of each clip, spoken with an emotion."""
        inputs = VoicingInputs(emotion=emotion)
        waves = [voice_of(self.loaded, crop, self.speaker, inputs) for crop in self.crops]
        pairs = zip(self.clips, waves, strict=True)
        return [figures(self.loaded, self.scorer, self.recogniser, clip, wave) for clip, wave in pairs]

    def guide_by(self, listener: Path) -> None:
        """From now on emotions are those that this listener knows."""
        self.loaded.__dict__["emotions"] = load_listener(listener, self.loaded.voice)


def guided_rows(voice: Voice, name: str, strengths: Sequence[str], plain: list[dict], words: int) -> dict[str, dict]:
    """Row -> figures with each strength towards each style; prints them. ``name`` precedes each."""
    rows = {}
    for strength in strengths:
        for index, style in enumerate(voice.scorer.config.words):
            values = row(index, voice.figures(parse_emotion(f"{style}:{strength}")), plain, words)
            rows[f"{name}{style}:{strength}"] = values
            print(f"{name}{style}:{strength}", json.dumps(values), flush=True)
    return rows


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True)
    options.add_argument("--knows", type=Path, required=True, metavar="DIR")
    options.add_argument("--scorer", type=Path, required=True, metavar="DIR")
    options.add_argument("--wrong", type=Path, metavar="DIR")
    options.add_argument("--most", type=int, default=12, metavar="N")
    options.add_argument("--strengths", nargs="+", default=["1", "2", "2,1"], metavar="A,B")
    options.add_argument("--json", type=Path, metavar="FILE")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    voice = Voice(read_manifest(args.manifest)[: args.most], args.scorer)
    words = sum(len(clip.text.split()) for clip in voice.clips)
    plain = voice.figures()
    rows = {f"as it is: {style}": row(n, plain, plain, words) for n, style in enumerate(voice.scorer.config.words)}
    voice.guide_by(args.knows)
    rows |= guided_rows(voice, "", args.strengths, plain, words)
    if args.wrong:
        voice.guide_by(args.wrong)
        rows |= guided_rows(voice, "wrong ", args.strengths[-1:], plain, words)
    for name, values in rows.items():
        print(name, json.dumps(values))
    if args.json:
        write_text(args.json, json.dumps({"clips": len(voice.clips), "words": words, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
