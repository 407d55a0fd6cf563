#!/usr/bin/env python3
"""Choose on a development list when an audio-visual model sets a clip's sound aside, and store the rule.

    local/hearing.py --model exp/av/model --manifest data/sound/dev/manifest.jsonl \\
        --voices data/sound/train/manifest.jsonl

Each clip is read by greedy CTC, with lips alone and with both streams, without noise and with the noise of
local/noise.py; also with its lips covered throughout, without noise and in babble at 0 dB. The limit with the fewest
errors over all readings is chosen, the highest of equals, and stored as "hearing" in the model's config.json.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from noise import SNRS, Cell, cover_mouth, noisy

from vsr.core.files import read_json, write_json
from vsr.data.audio_visual import AudioVisualDataset
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.data.splits import check_disjoint
from vsr.data.transforms import to_network_input
from vsr.decoding.hearing import entropy_by
from vsr.evaluation.wer import word_errors
from vsr.modelstore.folder import load_model
from vsr.text.normalise import lower


@dataclass(frozen=True)
class Reading:
    """One clip in one noise: entropy of the sound alone minus that of the lips (nats), and the wrong words with lips
    alone and with both."""

    entropy: float
    lips: int
    both: int


def best_limit(readings: list[Reading]) -> tuple[float, int]:
    """The highest limit with the fewest errors, and their number; infinite if using all sound is best."""
    limits = sorted({reading.entropy for reading in readings}) + [float("inf")]
    candidates = [(errors_at(limit, readings), -limit) for limit in limits]
    errors, limit = min(candidates)
    return -limit, errors


def errors_at(limit: float, readings: list[Reading]) -> int:
    """Wrong words if sound is used up to an entropy limit."""
    return sum(reading.both if reading.entropy <= limit else reading.lips for reading in readings)


@torch.inference_mode()
def readings_of(loaded, clip: Clip, batch: Batch, waves: list) -> list[Reading]:
    """Readings of a clip with each of several waves; ``batch`` holds only this clip."""
    model, tokenizer, text, readings = loaded.model, loaded.tokenizer, lower(clip.text), []

    def wrong(inputs: Batch) -> int:
        ((best, *_),) = model.heads["ctc"].search(model.encode_batch(inputs), inputs.lengths)
        return word_errors(text, lower(tokenizer.decode(best.tokens)))[0]

    lips, lips_entropy = wrong(replace(batch, present={SOUND: torch.tensor([False])})), entropy_by(model, batch, VIDEO)
    for wave in waves:
        noisy_batch = replace(batch, inputs=batch.inputs | {SOUND: to_sound_input(wave, model.sound_form)[None]})
        readings.append(Reading(float(entropy_by(model, noisy_batch, SOUND) - lips_entropy), lips, wrong(noisy_batch)))
    return readings


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True, help="model folder, whose config.json is changed")
    options.add_argument("--manifest", required=True)
    options.add_argument("--voices", required=True, help="manifest of the clips that babble is made of")
    options.add_argument("--seed", type=int, default=1)
    return options


def main() -> None:
    """Read the list, choose the limit, print and store it."""
    args = parser().parse_args()
    clips, voices = read_manifest(args.manifest), read_manifest(args.voices)
    check_disjoint(voices, clips, [])
    loaded, readings = load_model(args.model), []
    data = AudioVisualDataset(clips, loaded.tokenizer, form=loaded.model.sound_form)
    cells = [Cell("both", kind, snr) for kind in ("babble", "white") for snr in SNRS]
    for index, clip in enumerate(clips):
        waves = [clip_wave(clip)] + [noisy(clip, cell, voices, args.seed) for cell in cells]
        batch = data.batch([index])
        readings += readings_of(loaded, clip, batch, waves)
        unseen = to_network_input(cover_mouth(clip, 1.0, args.seed))[None]
        hidden = replace(batch, inputs=batch.inputs | {VIDEO: unseen})
        readings += readings_of(loaded, clip, hidden, [waves[0], waves[1 + cells.index(Cell("both", "babble", 0.0))]])
    limit, errors = best_limit(readings)
    all_sound, lips = errors_at(float("inf"), readings), errors_at(float("-inf"), readings)
    path = Path(args.model) / "config.json"
    config = {key: value for key, value in read_json(path).items() if key != "hearing"}
    write_json(path, config | ({"hearing": {"entropy": round(limit, 4)}} if limit < float("inf") else {}))
    print(f"{len(readings)} readings: {all_sound} words wrong if all sound is heard, {lips} by the lips alone, "
          f"{errors} with the limit of {limit:.4f} nats")  # fmt: skip


if __name__ == "__main__":
    main()
