#!/usr/bin/env python3
"""Quality of a voice from lips and noisy sound together, and from each alone.

    local/noisy_rows.py BOTH SOUND --manifest FILE --features DIR [--snr DB ...] [--kinds NAME ...] --json FILE

BOTH and SOUND are acoustic models with the condition `noisy`; SOUND was trained without lips (`local/on_views.py
--blind`). Each clip gets noise of a kind at an SNR (babble of six other clips of the list). Rows: "noisy", the noisy
recording; "sound" by SOUND; by BOTH "lips", "both" and the control "others", which is "both" with the lips of the next
clip; each also with "+mask", the recording masked by the predicted mel; and "auto", which is "both" or its mask, as
`speak --noisy` chooses. Figures: STOI and ESTOI of the words, PESQ nb, ASR WER (pocketsphinx-grid). SNRs that the JSON
has are kept. Run it in the folder that the manifest's paths are relative to.
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
from lip2speech.inference.masking import masked, snr_of_mels
from lip2speech.inference.snr import choose_output
from lip2speech.inference.sound_conditions import conditions_of_sound
from lip2speech.inference.synthesis_options import MADE
from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from vsr.core.files import write_text
from vsr.data.corruption import generator_of
from vsr.data.manifest import read_manifest
from vsr.data.sound_corruption import Noise, SoundCorruption
from vsr.media.mel import log_mel

CPU = torch.device("cpu")


class Rows:
    """Rows of the table for one list of clips."""

    def __init__(self, models, clips, features: str):
        self.both, self.sound = models
        self.clips, self.scorer = clips, PocketSphinxGrid()
        self.dataset = SpeechDataset(clips, features, NoText(), None)
        self.visual_cache: dict[int, torch.Tensor] = {}

    def lips(self, index: int) -> torch.Tensor:
        """Visual features (1, T, 2D) of a clip."""
        if index not in self.visual_cache:
            batch = self.dataset.crops.batch([index])
            self.visual_cache[index] = self.both.voice.encode(batch.video, batch.lengths)
        return self.visual_cache[index]

    def waves(self, index: int, kind: str, snr: float):
        """(natural wave, noisy wave) of a clip."""
        corruption = SoundCorruption(Noise(1.0, (kind,), (snr,))).draw(
            [clip.id for clip in self.clips], generator_of(0, self.clips[index].id, 1), self.clips[index].id
        )
        indices = {clip.id: index for index, clip in enumerate(self.clips)}
        natural = self.dataset.features[index].wave.numpy()
        return natural, corruption.wave(natural, lambda name: self.dataset.features[indices[name]].wave.numpy())

    def synthesise(self, loaded, lips, index: int, noisy) -> tuple[np.ndarray, torch.Tensor]:
        """(wave, mel (4T, 80)) of one way of speaking; ``noisy``: sound (640 T,) or None."""
        conditions = {} if noisy is None else conditions_of_sound(loaded.voice.condition_settings, [noisy], CPU)
        voice, lengths = self.dataset.voice(index)[None], torch.tensor([lips.shape[1]])
        speech = loaded.voice.speak_features(lips, lengths, voice, FlowOptions(), conditions=conditions)
        return vocode(loaded.vocoder, speech, voice)[0].numpy(), speech.mel[0]

    def figures(self, index: int, natural: np.ndarray, wave: np.ndarray) -> dict:
        """Figures of one wave."""
        return speech_figures(self.clips[index], natural, wave, self.scorer)

    @torch.inference_mode()
    def rows_of_clip(self, index: int, kind: str, snr: float, control: bool) -> dict[str, dict]:
        """All rows of one clip."""
        natural, noisy = self.waves(index, kind, snr)
        lips, other = self.lips(index), self.lips((index + 1) % len(self.clips))
        other = torch.cat([other, other[:, -1:]], 1)[:, : lips.shape[1]]
        mel, rows = log_mel(torch.from_numpy(noisy)), {"noisy": self.figures(index, natural, noisy)}
        ways = {
            "sound": (self.sound, torch.zeros_like(lips), noisy), "lips": (self.both, lips, None),
            "both": (self.both, lips, noisy), "others": (self.both, other, noisy),
        }  # fmt: skip
        for way, inputs in ways.items() if control else list(ways.items())[:-1]:
            wave, predicted = self.synthesise(inputs[0], inputs[1], index, inputs[2])
            rows[way] = self.figures(index, natural, wave) | {"ratio": snr_of_mels(mel, predicted)}
            if way == "lips":
                choice = choose_output(noisy, predicted)
            else:
                rows[f"{way}+mask"] = self.figures(index, natural, masked(noisy, predicted))
        return rows | {"auto": rows["both" if choice == MADE else "both+mask"]}


def show(name: str, rows_of_clips: list[dict]) -> None:
    """Print a line for each row: means, and WER."""
    for way in rows_of_clips[0]:
        each = [figures[way] for figures in rows_of_clips]
        means = " ".join(f"{key} {np.nanmean([row[key] for row in each]):.3f}" for key in ("stoi", "estoi", "pesq"))
        errors = np.mean([row["errors"] for row in each])
        print(f"{name:12} {way:12} {means} WER {100 * errors / 6:.1f}", flush=True)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("models", nargs=2, metavar="ACOUSTIC")
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--snr", nargs="+", type=float, default=[-10, -5, 0, 5, 10])
    options.add_argument("--kinds", nargs="+", default=["babble"])
    options.add_argument("--no-control", action="store_true")
    options.add_argument("--json", type=Path, required=True)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    rows = Rows([load_model(acoustic=folder) for folder in args.models], clips, args.features)
    rows_by_name = json.loads(args.json.read_text()) if args.json.is_file() else {}
    for kind in args.kinds:
        for snr in args.snr:
            name = f"{kind} {snr:g}"
            stored = rows_by_name.get(name)
            rows_by_name[name] = stored or [
                rows.rows_of_clip(index, kind, snr, not args.no_control) for index in range(len(clips))
            ]
            show(name, rows_by_name[name])
            write_text(args.json, json.dumps(rows_by_name) + "\n")


if __name__ == "__main__":
    main()
