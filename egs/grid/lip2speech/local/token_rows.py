#!/usr/bin/env python3
"""Quality and speed of token models that voice lips.

    local/token_rows.py MODEL[:DECODE[:HEADS]|:STEPS] ... --manifest FILE --features DIR --json FILE

Each MODEL (of the shipped voice) speaks the list of crops, and as a control, once, each clip with the lips of the next
one; for comparison also the flow, and the recording's own codes through the codec ("codec", the upper bound). Prints
the share of correct first codes, L1 of the mel (nepers), STOI and ESTOI of the words, PESQ nb, ASR WER
(pocketsphinx-grid), and codes per second of CPU time. Rows that the JSON has are kept. Run it in the folder that the
manifest's paths are relative to.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from speech_figures import speech_figures

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.inference.folder import load_model
from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.parts import load_part
from lip2speech.models.token_model import TokenConfig, TokenModel
from lip2speech.models.token_options import DECODINGS, TokenOptions
from lip2speech.models.voice import Speech
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest

FIGURES = ("codes", "mel", "stoi", "estoi", "pesq", "errors")


def parse_model(text: str) -> tuple[str, TokenOptions]:
    """Parse MODEL:... into a folder and options."""
    folder, *rest = text.split(":")
    if rest and rest[0] in DECODINGS:
        return folder, TokenOptions(rest[0], int(rest[1]) if len(rest) > 1 else 0)
    return folder, TokenOptions(steps=int(rest[0]) if rest else 8, temperature=0.05)


class Rows:
    """Rows of the table for one list of clips."""

    def __init__(self, clips, features: str):
        self.loaded, self.clips, self.scorer = load_model(), clips, PocketSphinxGrid()
        self.dataset = SpeechDataset(clips, features, NoText(), None)
        voice = self.loaded.voice
        self.contents = []
        for index in range(len(clips)):
            batch = self.dataset.crops.batch([index])
            visual, speaker = voice.encode(batch.video, batch.lengths), self.dataset.voice(index)[None]
            self.contents.append((voice.content(visual, batch.lengths, speaker), visual, speaker))

    def figures(self, index: int, pairs: torch.Tensor, units: torch.Tensor, right: float) -> dict:
        """Figures of mel pairs (1, N, 160) of one clip."""
        clip, features = self.clips[index], self.dataset.features[index]
        mel = self.loaded.voice.to_mel(pairs)
        wave = vocode(self.loaded.vocoder, Speech(mel, units), self.contents[index][2])[0].numpy()
        spoken = speech_figures(clip, features.wave.numpy(), wave, self.scorer)
        return {"codes": right, "mel": float((mel[0] - features.mel).abs().mean())} | spoken

    def tokens(self, model: TokenModel, options: TokenOptions, index: int, lips: int, seed: int = 0) -> dict:
        """Figures of one clip with the lips of clip ``lips``."""
        content = self.contents[lips][0]
        steps = min(content.mask.shape[1], self.contents[index][0].mask.shape[1])
        condition = self.loaded.voice.condition(content)[0]
        start_time = time.process_time()
        codes = model.generator.sample(condition, options, seed)[:steps]
        seconds = time.process_time() - start_time
        natural = model.codec.encode(self.loaded.voice.normalise(self.dataset.features[index].mel[None]))[0]
        figures = self.figures(
            index, *self.full_length(model, codes, content, index), self.code_accuracy(codes, natural)
        )
        return figures | {"count": condition.shape[0] * codes.shape[1], "seconds": seconds}

    def full_length(self, model, codes, content, index):
        """Mel pairs and units, extended to the length of the clip."""
        length = self.contents[index][0].mask.shape[1]
        codes = torch.cat([codes, codes[-1:].expand(length - len(codes), -1)])
        units = content.unit_logits.argmax(-1)[:, :length]
        units = torch.cat([units, units[:, -1:].expand(-1, length - units.shape[1])], 1)
        return model.codec.decode(codes)[None], units

    def code_accuracy(self, codes, natural) -> float:
        """Share of correct first codes."""
        shared = min(len(codes), len(natural))
        return float((codes[:shared, 0] == natural[:shared, 0]).float().mean())

    def flow(self, index: int) -> dict:
        """Figures of one clip by the flow."""
        content, visual, speaker = self.contents[index]
        lengths = content.mask.sum(1) // 2
        speech = self.loaded.voice.speak_features(visual, lengths, speaker, FlowOptions())
        return self.figures(index, self.loaded.voice.normalise(speech.mel), speech.units, float("nan"))

    def codec(self, model, index: int) -> dict:
        """Figures of one clip by its own codes."""
        features = self.dataset.features[index]
        codes = model.codec.encode(self.loaded.voice.normalise(features.mel[None]))
        return self.figures(index, model.codec.decode(codes), features.units[None], 1.0)


def show(name: str, rows_of_clips: list[dict]) -> None:
    """Print one line."""
    means = {key: np.nanmean([row[key] for row in rows_of_clips]) for key in FIGURES[:-1]}
    wer = 100 * np.sum([row["errors"] for row in rows_of_clips]) / (6 * len(rows_of_clips))
    speed = sum(row.get("count", 0) for row in rows_of_clips) / max(
        1e-9, sum(row.get("seconds", 0) for row in rows_of_clips)
    )
    text = " ".join(f"{key} {value:.3f}" for key, value in means.items())
    print(f"{name:44} {text} WER {wer:.1f} codes/s {speed:.0f}", flush=True)


@torch.inference_mode()
def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("models", nargs="+")
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--json", type=Path, required=True)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    rows, rows_by_name = Rows(clips, args.features), json.loads(args.json.read_text()) if args.json.is_file() else {}
    indices = range(len(clips))
    for argument in args.models:
        folder, options = parse_model(argument)
        model = load_part(folder, TokenModel, TokenConfig)[0]
        ways = {
            "flow": rows.flow, "codec": lambda i, m=model: rows.codec(m, i),
            argument: lambda i, m=model, o=options: rows.tokens(m, o, i, i),
            f"{folder} other lips": lambda i, m=model, o=options: rows.tokens(m, o, i, (i + 1) % len(clips)),
        }  # fmt: skip
        for name, way in ways.items():
            rows_by_name[name] = rows_by_name.get(name) or [way(index) for index in indices]
            show(name, rows_by_name[name])
            write_text(args.json, json.dumps(rows_by_name) + "\n")


if __name__ == "__main__":
    main()
