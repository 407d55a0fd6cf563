#!/usr/bin/env python3
"""Should an audio-visual reader use the sound alone where it is certain of it? Counts word errors on clips.

    local/sound_only_rule.py --manifest data/sound/dev/manifest.jsonl few.jsonl --voices data/sound/train/manifest.jsonl

Greedy CTC with lips, sound, both, and with the model's own rule ("hearing"), which may drop the sound; then with that
rule, except that the sound alone is used where its mean entropy is lower than the lips' by a margin (nats), for several
margins and the best of all. It chooses a setting: give no test list.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from noise import Cell, noisy

from vsr.data.audio_visual import AudioVisualDataset
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.decoding.hearing import entropy_by, without_unintelligible_sound
from vsr.evaluation.wer import word_errors
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower

MARGINS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Reading:
    """One clip in one noise: entropy of the lips minus that of the sound (nats), and the wrong words with each input;
    ``rule``: with the model's own rule."""

    margin: float
    lips: int
    sound: int
    both: int
    rule: int


def errors_at(readings: Sequence[Reading], margin: float) -> int:
    """Wrong words if the sound alone is used where its entropy is lower by ``margin``."""
    return sum(reading.sound if reading.margin >= margin else reading.rule for reading in readings)


def best_margin(readings: Sequence[Reading]) -> tuple[float, int]:
    """The highest margin with the fewest wrong words, and their number; infinite if sound alone never helps."""
    margins = [*(reading.margin for reading in readings), float("inf")]
    errors, margin = min((errors_at(readings, candidate), -candidate) for candidate in margins)
    return -margin, errors


@torch.inference_mode()
def reading_of(loaded: LoadedModel, clip: Clip, batch: Batch) -> Reading:
    """The reading of a batch that holds only this clip."""

    def wrong(inputs: Batch) -> int:
        ((best, *_),) = loaded.model.heads["ctc"].search(loaded.model.encode_batch(inputs), inputs.lengths)
        return word_errors(lower(clip.text), lower(loaded.tokenizer.decode(best.tokens)))[0]

    without = {name: replace(batch, present={name: torch.tensor([False])}) for name in (VIDEO, SOUND)}
    margin = float(entropy_by(loaded.model, batch, VIDEO) - entropy_by(loaded.model, batch, SOUND))
    by_rule = without_unintelligible_sound(loaded, batch)
    return Reading(margin, wrong(without[SOUND]), wrong(without[VIDEO]), wrong(batch), wrong(by_rule))


def main() -> None:
    """Read the lists and print their errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="grid-av")
    parser.add_argument("--manifest", nargs="+", required=True, metavar="JSONL")
    parser.add_argument("--voices", required=True, metavar="JSONL", help="of the clips that babble is made of")
    parser.add_argument("--snr", nargs="*", type=float, default=[10.0, 0.0], help="of babble, beside none")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded, voices, all_readings = load_model(args.model), read_manifest(args.voices), []
    for path in args.manifest:
        readings, clips = [], read_manifest(path)
        data = AudioVisualDataset(clips, loaded.tokenizer, form=loaded.model.sound_form)
        for index, clip in enumerate(clips):
            cells, batch = [Cell("both", "babble", snr) for snr in args.snr], data.batch([index])
            for wave in [clip_wave(clip), *(noisy(clip, cell, voices, args.seed) for cell in cells)]:
                sound = to_sound_input(wave, loaded.model.sound_form)[None]
                readings.append(reading_of(loaded, clip, replace(batch, inputs=batch.inputs | {SOUND: sound})))
        print(summary(path, readings), flush=True)
        all_readings += readings
    print(summary("all lists", all_readings))


def summary(name: str, readings: Sequence[Reading]) -> str:
    """A line of counts."""
    wrong = ", ".join(
        f"{part} {sum(getattr(reading, part) for reading in readings)}" for part in ("lips", "sound", "both", "rule")
    )
    tried = ", ".join(f"{margin:g}: {errors_at(readings, margin)}" for margin in MARGINS)
    margin, errors = best_margin(readings)
    return f"{name}, {len(readings)} readings, words wrong: {wrong}; by the sound alone from a margin of {tried}; " \
           f"best {margin:.4f}: {errors}"  # fmt: skip


if __name__ == "__main__":
    main()
