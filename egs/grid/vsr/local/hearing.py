#!/usr/bin/env python3
"""Choose on a development list when an audio-visual model sets a clip's sound aside, and store the rule.

    local/hearing.py --model exp/av/model --manifest data/sound/dev/manifest.jsonl \\
        --voices data/sound/train/manifest.jsonl

Each clip is read by greedy CTC, by the lips and by both, without noise and in that of local/noise.py; with its lips
covered throughout, too, without noise and in babble at 0 dB. The limit with the fewest errors over all of it is taken,
the highest of several; "hearing" in the model's config.json keeps it.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from noise import SNRS, Cell, covered, noisy

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
    """One clip in one noise: by how much the sound alone is less sure than the lips (nats), and the words that lips and
    both read wrong."""

    entropy: float
    lips: int
    both: int


def best_limit(readings: list[Reading]) -> tuple[float, int]:
    """The highest limit with the fewest errors, and how many those are; infinite where all sound is best heard."""
    limits = sorted({own.entropy for own in readings}) + [float("inf")]
    found = [(errors_at(limit, readings), -limit) for limit in limits]
    errors, limit = min(found)
    return -limit, errors


def errors_at(limit: float, readings: list[Reading]) -> int:
    """Words that are read wrong if sound is heard up to a limit."""
    return sum(own.both if own.entropy <= limit else own.lips for own in readings)


@torch.inference_mode()
def readings_of(loaded, clip: Clip, batch: Batch, waves: list) -> list[Reading]:
    """A clip's readings beside each of several sounds; ``batch`` holds it alone."""
    model, tokenizer, text, found = loaded.model, loaded.tokenizer, lower(clip.text), []

    def wrong(own: Batch) -> int:
        ((best, *_),) = model.heads["ctc"].search(model.encode_batch(own), own.lengths)
        return word_errors(text, lower(tokenizer.decode(best.tokens)))[0]

    lips, seen = wrong(replace(batch, present={SOUND: torch.tensor([False])})), entropy_by(model, batch, VIDEO)
    for wave in waves:
        own = replace(batch, inputs=batch.inputs | {SOUND: to_sound_input(wave, model.sound_form)[None]})
        found.append(Reading(float(entropy_by(model, own, SOUND) - seen), lips, wrong(own)))
    return found


def main() -> None:
    """Read the list, choose, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model folder, whose config.json is changed")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--voices", required=True, help="manifest of the clips that babble is made of")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    clips, voices = read_manifest(args.manifest), read_manifest(args.voices)
    check_disjoint(voices, clips, [])
    loaded, readings = load_model(args.model), []
    data = AudioVisualDataset(clips, loaded.tokenizer, form=loaded.model.sound_form)
    cells = [Cell("both", kind, snr) for kind in ("babble", "white") for snr in SNRS]
    for index, clip in enumerate(clips):
        waves = [clip_wave(clip)] + [noisy(clip, cell, voices, args.seed) for cell in cells]
        batch = data.batch([index])
        readings += readings_of(loaded, clip, batch, waves)
        unseen = to_network_input(covered(clip, 1.0, args.seed))[None]
        hidden = replace(batch, inputs=batch.inputs | {VIDEO: unseen})
        readings += readings_of(loaded, clip, hidden, [waves[0], waves[1 + cells.index(Cell("both", "babble", 0.0))]])
    limit, errors = best_limit(readings)
    heard, lips = errors_at(float("inf"), readings), errors_at(float("-inf"), readings)
    path = Path(args.model) / "config.json"
    config = {key: value for key, value in read_json(path).items() if key != "hearing"}
    write_json(path, config | ({"hearing": {"entropy": round(limit, 4)}} if limit < float("inf") else {}))
    print(f"{len(readings)} readings: {heard} words wrong if all sound is heard, {lips} by the lips alone, "
          f"{errors} with the limit of {limit:.4f} nats")  # fmt: skip


if __name__ == "__main__":
    main()
