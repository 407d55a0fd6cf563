#!/usr/bin/env python3
"""Quality and speed of token models that voice lips.

    local/token_rows.py MODEL[:DECODE[:HEADS]|:STEPS] ... --manifest FILE --features DIR --json FILE

Each MODEL (of the shipped voice) speaks the list of crops, and as a control, once, each clip with the lips of the next
one; beside them stand the flow, and the codes of the recording itself through the codec ("codec", the upper bound).
Prints the share of right first codes, L1 of the mel (nepers), STOI and ESTOI of the words, PESQ nb, ASR WER
(pocketsphinx-grid), and codes a second of processor time. Rows that the JSON has are kept. Run it in the folder that
the manifest's paths are relative to.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from heard import spoken_figures

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


def asked(given: str) -> tuple[str, TokenOptions]:
    """MODEL:... -> folder and options."""
    folder, *rest = given.split(":")
    if rest and rest[0] in DECODINGS:
        return folder, TokenOptions(rest[0], int(rest[1]) if len(rest) > 1 else 0)
    return folder, TokenOptions(steps=int(rest[0]) if rest else 8, temperature=0.05)


class Rows:
    """Of one list of clips."""

    def __init__(self, clips, features: str):
        self.loaded, self.clips, self.scorer = load_model(), clips, PocketSphinxGrid()
        self.dataset = SpeechDataset(clips, features, NoText(), None)
        voice = self.loaded.voice
        self.contents = []
        for index in range(len(clips)):
            seen = self.dataset.crops.batch([index])
            visual, speaker = voice.encode(seen.video, seen.lengths), self.dataset.voice(index)[None]
            self.contents.append((voice.content(visual, seen.lengths, speaker), visual, speaker))

    def figures(self, index: int, pairs: torch.Tensor, units: torch.Tensor, right: float) -> dict:
        """Of mel pairs (1, N, 160) of one clip."""
        clip, own = self.clips[index], self.dataset.features[index]
        mel = self.loaded.voice.to_mel(pairs)
        wave = vocode(self.loaded.vocoder, Speech(mel, units), self.contents[index][2])[0].numpy()
        heard = spoken_figures(clip, own.wave.numpy(), wave, self.scorer)
        return {"codes": right, "mel": float((mel[0] - own.mel).abs().mean())} | heard

    def made(self, model: TokenModel, options: TokenOptions, index: int, lips: int, seed: int = 0) -> dict:
        """One clip by the lips of another or its own."""
        content = self.contents[lips][0]
        steps = min(content.mask.shape[1], self.contents[index][0].mask.shape[1])
        condition = self.loaded.voice.condition(content)[0]
        begun = time.process_time()
        codes = model.generator.sample(condition, options, seed)[:steps]
        seconds = time.process_time() - begun
        natural = model.codec.encode(self.loaded.voice.normalise(self.dataset.features[index].mel[None]))[0]
        found = self.figures(index, *self.filled(model, codes, content, index), self.right(codes, natural))
        return found | {"count": condition.shape[0] * codes.shape[1], "seconds": seconds}

    def filled(self, model, codes, content, index):
        """Pairs and units as long as the clip."""
        length = self.contents[index][0].mask.shape[1]
        codes = torch.cat([codes, codes[-1:].expand(length - len(codes), -1)])
        units = content.unit_logits.argmax(-1)[:, :length]
        units = torch.cat([units, units[:, -1:].expand(-1, length - units.shape[1])], 1)
        return model.codec.decode(codes)[None], units

    def right(self, codes, natural) -> float:
        """Share of first codes."""
        shared = min(len(codes), len(natural))
        return float((codes[:shared, 0] == natural[:shared, 0]).float().mean())

    def flow(self, index: int) -> dict:
        """One clip by the flow."""
        content, visual, speaker = self.contents[index]
        lengths = content.mask.sum(1) // 2
        speech = self.loaded.voice.speak_seen(visual, lengths, speaker, FlowOptions())
        return self.figures(index, self.loaded.voice.normalise(speech.mel), speech.units, float("nan"))

    def codec(self, model, index: int) -> dict:
        """One clip by its own codes."""
        own = self.dataset.features[index]
        codes = model.codec.encode(self.loaded.voice.normalise(own.mel[None]))
        return self.figures(index, model.codec.decode(codes), own.units[None], 1.0)


def show(name: str, found: list[dict]) -> None:
    """One line."""
    means = {key: np.nanmean([each[key] for each in found]) for key in FIGURES[:-1]}
    wer = 100 * np.sum([each["errors"] for each in found]) / (6 * len(found))
    speed = sum(each.get("count", 0) for each in found) / max(1e-9, sum(each.get("seconds", 0) for each in found))
    text = " ".join(f"{key} {value:.3f}" for key, value in means.items())
    print(f"{name:44} {text} WER {wer:.1f} codes/s {speed:.0f}", flush=True)


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    rows, kept = Rows(clips, args.features), json.loads(args.json.read_text()) if args.json.is_file() else {}
    each = range(len(clips))
    for given in args.models:
        folder, options = asked(given)
        model = load_part(folder, TokenModel, TokenConfig)[0]
        ways = {
            "flow": rows.flow, "codec": lambda i, m=model: rows.codec(m, i),
            given: lambda i, m=model, o=options: rows.made(m, o, i, i),
            f"{folder} other lips": lambda i, m=model, o=options: rows.made(m, o, i, (i + 1) % len(clips)),
        }  # fmt: skip
        for name, way in ways.items():
            kept[name] = kept.get(name) or [way(index) for index in each]
            show(name, kept[name])
            write_text(args.json, json.dumps(kept) + "\n")


if __name__ == "__main__":
    main()
