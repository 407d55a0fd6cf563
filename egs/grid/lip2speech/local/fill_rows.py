#!/usr/bin/env python3
"""Compare ways to fill a gap in a recording: lips with the surrounding sound, lips alone, or tokens.

    local/fill_rows.py [ACOUSTIC ...] [--tokens MODEL ...] --manifest FILE --features DIR --json FILE

The sound of each clip's second to fourth word is removed. Rows: "natural", "gap" (silence), "shipped" (the shipped
voice, without the sound around the gap), and each ACOUSTIC (with a condition `context`) and each token MODEL
(`infill`), also with the controls "others' lips" (the lips of the next clip) and "nothing around" (the surrounding
sound is not given). Figures: L1 of the log-mel in the gap (nepers), its STOI and ESTOI (of gaps that are long enough
for them, 0.4 s), PESQ nb and ASR WER (pocketsphinx-grid) of the whole recording, half of whose words are in the gap;
against "shipped" with the interval of 1,000 paired bootstraps. Rows that the JSON has are kept. Run it in the folder
that the manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from speech_figures import speech_figures

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.inference.folder import load_model
from lip2speech.inference.inpainting import conditions_around, fill_gap
from lip2speech.inference.sound_gap import Gap
from lip2speech.inference.token_voice import with_tokens
from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.token_options import TokenOptions
from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.media.mel import log_mel

CPU = torch.device("cpu")
FIGURES = ("mel", "stoi", "estoi", "pesq", "errors")
LIPS, AROUND = "others' lips", "nothing around"


class Rows:
    """Rows of the table for one list of clips."""

    def __init__(self, clips, features: str):
        self.clips, self.scorer = clips, PocketSphinxGrid()
        self.dataset = SpeechDataset(clips, features, NoText(), None)
        self.natural = [self.dataset.features[index].wave.numpy() for index in range(len(clips))]
        self.gaps = [Gap(clip.words[1][1], clip.words[3][2]) for clip in clips]
        self.visual_cache: dict[int, torch.Tensor] = {}

    def lips(self, voice, index: int) -> torch.Tensor:
        """Visual features (1, T, 2D) of a clip; all voices here share the shipped voice's encoder."""
        if index not in self.visual_cache:
            batch = self.dataset.crops.batch([index])
            self.visual_cache[index] = voice.encode(batch.video, batch.lengths)
        return self.visual_cache[index]

    @torch.inference_mode()
    def fill(self, loaded, index: int, way: str) -> np.ndarray:
        """The recording of a clip with its gap filled."""
        visual = self.lips(loaded.voice, index)
        length, natural = visual.shape[1], self.natural[index]
        if way == LIPS:
            other = self.lips(loaded.voice, (index + 1) % len(self.clips))
            visual = torch.cat([other, other[:, -1:].expand(-1, length, -1)], 1)[:, :length]
        is_known, conditions = self.gaps[index].known_steps(np.arange(length) / FPS), {}
        if way != AROUND:
            conditions = conditions_around(loaded.voice.condition_settings, natural, is_known, CPU)
        speaker = self.dataset.voice(index)[None]
        speech = loaded.voice.speak_features(
            visual, torch.tensor([length]), speaker, FlowOptions(), conditions=conditions
        )
        return fill_gap(natural, vocode(loaded.vocoder, speech, speaker)[0].numpy(), self.gaps[index])

    def figures(self, index: int, wave: np.ndarray) -> dict:
        """Figures of one recording with its gap."""
        gap, natural = self.gaps[index], self.natural[index]
        mel, natural_mel = (
            log_mel(torch.from_numpy(np.ascontiguousarray(samples, np.float32))) for samples in (wave, natural)
        )
        inside = slice(round(4 * FPS * gap.start), round(4 * FPS * gap.end))
        distance = float((mel[inside] - natural_mel[inside]).abs().mean())
        figures = speech_figures(self.clips[index], natural, wave, self.scorer, (gap.start, gap.end))
        return {"mel": distance} | figures

    def row(self, loaded, way: str) -> list[dict]:
        """The row of one way of filling."""
        return [self.figures(index, self.fill(loaded, index, way)) for index in range(len(self.clips))]

    def recordings(self) -> dict[str, list[dict]]:
        """The rows without synthesis."""
        empty = [fill_gap(wave, np.zeros_like(wave), gap) for wave, gap in zip(self.natural, self.gaps, strict=True)]
        rows = {"natural": self.natural, "gap": empty}
        return {name: [self.figures(n, wave) for n, wave in enumerate(waves)] for name, waves in rows.items()}


def show(name: str, rows_of_clips: list[dict], base: list[dict]) -> None:
    """Print a line: means, and the interval of the difference from ``base``."""
    draws = np.random.default_rng(0).integers(0, len(rows_of_clips), (1000, len(rows_of_clips)))
    parts = []
    for key in FIGURES:
        scale = 100 / 6 if key == "errors" else 1.0
        values, base_values = (scale * np.array([figures[key] for figures in rows]) for rows in (rows_of_clips, base))
        low, high = np.quantile(np.nanmean((values - base_values)[draws], 1), [0.025, 0.975])
        parts.append(f"{'WER' if key == 'errors' else key} {np.nanmean(values):.3f} ({low:+.3f} to {high:+.3f})")
    print(f"{name:40} {' '.join(parts)}", flush=True)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("acoustic", nargs="*")
    options.add_argument("--tokens", nargs="+", default=[], metavar="MODEL")
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--json", type=Path, required=True)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    rows = Rows(read_manifest(args.manifest), args.features)
    rows_by_name = json.loads(args.json.read_text()) if args.json.is_file() else {}
    shipped = load_model()
    voices = {folder: load_model(acoustic=folder) for folder in args.acoustic}
    voices |= {folder: with_tokens(shipped, folder, TokenOptions()) for folder in args.tokens}
    ways = {"shipped": (shipped, AROUND)}
    ways |= {f"{name} {way}".strip(): (voice, way) for name, voice in voices.items() for way in ("", LIPS, AROUND)}
    for name, (loaded, way) in ways.items():
        rows_by_name[name] = rows_by_name.get(name) or rows.row(loaded, way)
        show(name, rows_by_name[name], rows_by_name["shipped"])
        write_text(args.json, json.dumps(rows_by_name) + "\n")
    if "gap" not in rows_by_name:
        rows_by_name |= rows.recordings()
        write_text(args.json, json.dumps(rows_by_name) + "\n")
    for name in ("natural", "gap"):
        show(name, rows_by_name[name], rows_by_name["shipped"])


if __name__ == "__main__":
    main()
